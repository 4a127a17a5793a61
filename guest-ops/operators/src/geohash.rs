//! `geohash(latitude, longitude DOUBLE [, length BIGINT]) -> TEXT`: a place as text whose beginnings name larger areas.

use nyala_sdk::{Extra, TextWriter};

const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

nyala_sdk::scalar! {
    /// The geohash of a place in degrees, of 9 characters (5 m) or the given number from 1 to 12.
    (COST 100)
    pub fn geohash(latitude: f64, longitude: f64, length: Extra<i64>; out: &mut TextWriter) -> Result<(), String> {
        let length = length.unwrap_or(9);
        if !(1..=12).contains(&length) {
            return Err(format!("a geohash has 1 to 12 characters, not {}", length));
        }
        encode(latitude, longitude, length, out)
    }
}

/// Bits of longitude and latitude in turn, each halving what is left of the range; five are a character.
fn encode(latitude: f64, longitude: f64, length: i64, out: &mut TextWriter) -> Result<(), String> {
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(format!("there is no place at latitude {}, longitude {}", latitude, longitude));
    }
    let mut ranges = [(longitude, -180.0, 180.0), (latitude, -90.0, 90.0)];
    let mut bit = 0;
    for _ in 0..length {
        let mut digit = 0;
        for _ in 0..5 {
            let (value, low, high) = &mut ranges[bit % 2];
            let middle = (*low + *high) / 2.0;
            let upper = *value >= middle;
            *(if upper { low } else { high }) = middle;
            digit = digit << 1 | usize::from(upper);
            bit += 1;
        }
        out.push(DIGITS[digit] as char);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::geohash;
    use nyala_sdk::{Extra, TextWriter};

    fn of(latitude: f64, longitude: f64, length: i64) -> Result<String, String> {
        let mut out = TextWriter::default();
        geohash(latitude, longitude, Extra(Some(length)), &mut out).map(|()| out.as_str().to_owned())
    }

    #[test]
    fn known_places() {
        assert_eq!(of(57.64911, 10.40744, 11).unwrap(), "u4pruydqqvj");
        assert_eq!(of(-25.382708, -49.265506, 8).unwrap(), "6gkzwgjz");
        assert_eq!(of(90.0, 180.0, 3).unwrap(), "zzz");
    }

    #[test]
    fn places_that_are_not_there() {
        assert!(of(91.0, 0.0, 5).unwrap_err().contains("latitude 91"));
        assert!(of(f64::NAN, 0.0, 5).is_err());
        assert!(of(0.0, 0.0, 13).unwrap_err().contains("1 to 12"));
    }
}
