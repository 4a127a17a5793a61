//! `haversine(latitude1, longitude1, latitude2, longitude2 DOUBLE) -> DOUBLE`: the distance over the globe in metres.

/// The mean radius of the Earth (IUGG), in metres.
const EARTH_RADIUS: f64 = 6_371_008.8;

nyala_sdk::scalar! {
    /// The distance over a globe of the Earth's mean radius in metres, of two places in degrees. At most 0.6 % off.
    (COST 100)
    pub fn haversine(latitude1: f64, longitude1: f64, latitude2: f64, longitude2: f64) -> f64 {
        let (from, to) = (latitude1.to_radians(), latitude2.to_radians());
        let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
        let chord = half(latitude2 - latitude1) + from.cos() * to.cos() * half(longitude2 - longitude1);
        2.0 * EARTH_RADIUS * chord.min(1.0).sqrt().asin()
    }
}

#[cfg(test)]
mod tests {
    use super::{haversine, EARTH_RADIUS};

    #[test]
    fn known_distances() {
        // Nashville to Los Angeles, the usual example.
        assert!((haversine(36.12, -86.67, 33.94, -118.40) - 2_886_448.0).abs() < 10.0);
        let half_way = std::f64::consts::PI * EARTH_RADIUS;
        assert!((haversine(90.0, 0.0, -90.0, 17.0) - half_way).abs() < 1e-3);
        assert_eq!(haversine(48.0, 11.0, 48.0, 11.0), 0.0);
    }
}
