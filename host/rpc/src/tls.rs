//! Who may connect: certificates of nodes and of users, all of one authority per cluster.
//!
//! What a certificate is good for is among its names: a node's holds [`NODE_NAME`], whatever its address is, and a user's holds
//! the user as a label of its own. What someone says of itself is compared with that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nyala_schema::{Error, ErrorCode, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use webpki::EndEntityCert;

use crate::local::refused;

/// In the certificate of every node.
const NODE_NAME: &str = "node.nyala";
/// Ends the name that stands for a user.
const USER_DOMAIN: &str = "user.nyala";
/// Of a user that a certificate can name: a label of a name takes 63 characters.
const USER_BYTES_MAX: usize = 31;

/// The authority, the own certificate and its key.
#[derive(Clone)]
pub struct Tls {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    user: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unreadable(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(ErrorCode::FileAccess, format!("{}: {why}", path.display()))
}

fn unfit(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(ErrorCode::InvalidParameter, format!("{}: {why}", path.display()))
        .with_hint("`nyala cluster certs` makes certificates")
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| unfit(path, error))?;
    if found.is_empty() {
        return Err(unfit(path, "there is no certificate in it"));
    }
    Ok(found)
}

impl Tls {
    /// Reads PEM files.
    ///
    /// # Errors
    /// `FileAccess` naming the file; `InvalidParameter` when it holds no such thing.
    pub fn read(authority: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for root in read_certificates(authority)? {
            roots.add(root).map_err(|error| unfit(authority, error))?;
        }
        let roots = Arc::new(roots);
        let chain = read_certificates(certificate)?;
        let pem = std::fs::read(key).map_err(|error| unreadable(key, error))?;
        let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unfit(key, error))?;
        let versions = [&rustls::version::TLS13];
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
            .build()
            .map_err(|error| unfit(authority, error))?;
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions)
            .map_err(|error| unfit(certificate, error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), secret.clone_key())
            .map_err(|error| unfit(certificate, error))?;
        let user = chain.first().and_then(named_user);
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions)
            .map_err(|error| unfit(certificate, error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, secret)
            .map_err(|error| unfit(certificate, error))?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), user })
    }

    /// `ca.pem`, `NAME.pem` and `NAME-key.pem` of a folder.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of_folder(folder: &Path, name: &str) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}{end}"));
        Self::read(&folder.join("ca.pem"), &file(".pem"), &file("-key.pem"))
    }

    /// The user that the own certificate names; `None` for one that is good for any, or a node's.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The name that a dialler asks of the certificate at the other end.
    pub(crate) fn node_name() -> Result<ServerName<'static>> {
        ServerName::try_from(NODE_NAME).map_err(|_| Error::internal("a node's name is no name"))
    }

    pub(crate) fn check_node(&self, certificate: &CertificateDer<'_>) -> Result<()> {
        if is_good_for(certificate, NODE_NAME) {
            return Ok(());
        }
        Err(refused("wrong certificate: it is not the certificate of a node"))
    }

    pub(crate) fn check_user(&self, certificate: &CertificateDer<'_>, user: &str) -> Result<()> {
        if user_name(user).is_some_and(|name| is_good_for(certificate, &name)) {
            return Ok(());
        }
        let error = refused(format!("wrong certificate: it is not good for user '{user}'"));
        Err(match named_user(certificate) {
            Some(named) => error.with_hint(format!("connect as the user that it names, '{named}'")),
            None => error,
        })
    }
}

fn is_good_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return false };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// The name that stands for a user in a certificate.
fn user_name(user: &str) -> Option<String> {
    if user.is_empty() || user.len() > USER_BYTES_MAX {
        return None;
    }
    Some(format!("u{}.{USER_DOMAIN}", hex::encode(user)))
}

/// The user that a certificate is good for, when it is one.
fn named_user(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    certificate.valid_dns_names().find_map(|name| {
        let digits = name.strip_suffix(USER_DOMAIN)?.strip_suffix('.')?.strip_prefix('u')?;
        String::from_utf8(hex::decode(digits).ok()?).ok()
    })
}

/// Makes, in a folder, an authority (`ca.pem`, `ca-key.pem`; kept when there is one), a certificate per node and per user
/// (`NAME.pem`, `NAME-key.pem`), and `client.pem`, which is good for any user. Returns the files written.
///
/// # Errors
/// `FileAccess` naming the file; `InvalidParameter` for a name that no file, or no certificate, can have.
pub fn certificates(folder: &Path, nodes: &[String], users: &[String]) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|error| unreadable(folder, error))?;
    let mut made = Made { folder, files: Vec::new() };
    let issuer = made.authority()?;
    for node in nodes {
        let usages = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        made.certificate(&issuer, node, NODE_NAME, &usages)?;
    }
    let usages = [ExtendedKeyUsagePurpose::ClientAuth];
    for user in users {
        let name = user_name(user).ok_or_else(|| {
            let text = format!("user '{user}' cannot be named by a certificate");
            Error::new(ErrorCode::InvalidParameter, text)
                .with_hint(format!("1 to {USER_BYTES_MAX} bytes are possible"))
        })?;
        made.certificate(&issuer, user, &name, &usages)?;
    }
    made.certificate(&issuer, "client", &format!("*.{USER_DOMAIN}"), &usages)?;
    Ok(made.files)
}

struct Made<'a> {
    folder: &'a Path,
    files: Vec<PathBuf>,
}

fn not_made(error: rcgen::Error) -> Error {
    Error::internal(format!("a certificate could not be made: {error}"))
}

impl Made<'_> {
    fn authority(&mut self) -> Result<Issuer<'static, KeyPair>> {
        let (file, key_file) = (self.folder.join("ca.pem"), self.folder.join("ca-key.pem"));
        if file.exists() && key_file.exists() {
            let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| unreadable(path, error));
            let key = KeyPair::from_pem(&read(&key_file)?).map_err(|error| unfit(&key_file, error))?;
            return Issuer::from_ca_cert_pem(&read(&file)?, key).map_err(|error| unfit(&file, error));
        }
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(not_made)?;
        params.distinguished_name.push(DnType::CommonName, "Nyala cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(not_made)?;
        self.write("ca.pem", &certificate.pem())?;
        self.write("ca-key.pem", &key.serialize_pem())?;
        Ok(Issuer::new(params, key))
    }

    fn certificate(
        &mut self,
        issuer: &Issuer<'static, KeyPair>,
        name: &str,
        good_for: &str,
        usages: &[ExtendedKeyUsagePurpose],
    ) -> Result<()> {
        let is_file_name = !name.is_empty()
            && !["ca", "ca-key"].contains(&name)
            && !name.starts_with('.')
            && !name.contains(['/', '\\', '\0']);
        if !is_file_name {
            let text = format!("'{name}' cannot be the name of a certificate's file");
            return Err(Error::new(ErrorCode::InvalidParameter, text)
                .with_hint("use letters, digits, hyphens and dots"));
        }
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(not_made)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::DnsName(good_for.try_into().map_err(not_made)?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, issuer).map_err(not_made)?;
        self.write(&format!("{name}.pem"), &certificate.pem())?;
        self.write(&format!("{name}-key.pem"), &key.serialize_pem())
    }

    /// Keys are for their owner only.
    fn write(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        if name.ends_with("-key.pem") {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let written =
            options.open(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(|error| unreadable(&path, error))?;
        self.files.push(path);
        Ok(())
    }
}
