//! Functions and operators that come with Nyala, each an example of its kind; README.md lists them.

// Text.
pub mod initials;
pub mod jaro_winkler;
pub mod levenshtein_distance;
pub mod slugify;

// Places.
pub mod geohash;
pub mod haversine;
pub mod point_in_polygon;

// Statistics.
pub mod exponential_moving_average;
pub mod hll_count;
pub mod tdigest_quantile;

// Documents.
pub mod json_path;

// Time series.
pub mod fill_gaps;
pub mod sessionize;

// Learning.
pub mod kmeans;
pub mod linear_regression;
pub mod logistic_regression;
pub mod model;
