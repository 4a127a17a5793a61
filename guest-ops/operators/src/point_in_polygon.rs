//! `point_in_polygon(polygon TEXT, x DOUBLE, y DOUBLE) -> BOOLEAN`: whether a point lies in a polygon of well-known text.

use std::cell::RefCell;

type Ring = Vec<(f64, f64)>;

/// The polygon of the last row, which mostly is that of the next row too.
struct Last {
    text: String,
    rings: Vec<Ring>,
}

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last { text: String::new(), rings: Vec::new() }) };
}

nyala_sdk::scalar! {
    /// Whether the point (x, y) lies in `POLYGON ((x y, …), …)`; rings after the first are holes. A point on the border is in
    /// one of the two areas that it parts.
    (COST 300)
    pub fn point_in_polygon(polygon: &str, x: f64, y: f64) -> Result<bool, String> {
        LAST.with(|last| {
            let mut last = last.borrow_mut();
            if last.text != polygon || last.rings.is_empty() {
                last.rings = parse(polygon)?;
                polygon.clone_into(&mut last.text);
            }
            Ok(last.rings.iter().filter(|ring| crosses_odd(ring, x, y)).count() % 2 == 1)
        })
    }
}

/// Whether a ray from the point to the right crosses the ring an odd number of times.
fn crosses_odd(ring: &[(f64, f64)], x: f64, y: f64) -> bool {
    let mut inside = false;
    for side in ring.windows(2) {
        let ((x1, y1), (x2, y2)) = (side[0], side[1]);
        if (y1 > y) != (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 {
            inside = !inside;
        }
    }
    inside
}

fn parse(text: &str) -> Result<Vec<Ring>, String> {
    let wrong = |what: &str| format!("{} in the polygon {:?}", what, shortened(text));
    let body = text.trim();
    let body = match body.get(..7) {
        Some(word) if word.eq_ignore_ascii_case("POLYGON") => body[7..].trim(),
        _ => return Err(wrong("no word POLYGON")),
    };
    let body = body.strip_prefix('(').and_then(|body| body.strip_suffix(')'));
    let body = body.ok_or_else(|| wrong("no parentheses around the rings"))?.trim();
    let mut rings = Vec::new();
    for ring in body.split(')').map(|ring| ring.trim().trim_start_matches(',').trim()) {
        if ring.is_empty() {
            continue;
        }
        let points = ring.strip_prefix('(').ok_or_else(|| wrong("no parentheses around a ring"))?;
        let points: Ring = points
            .split(',')
            .map(point)
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("a point that is not two numbers"))?;
        if points.len() < 4 || points.first() != points.last() {
            return Err(wrong("a ring that does not end where it begins, or has fewer than four points,"));
        }
        rings.push(points);
    }
    if rings.is_empty() {
        return Err(wrong("no ring"));
    }
    Ok(rings)
}

fn point(text: &str) -> Option<(f64, f64)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(x)), Some(Ok(y)), None) => Some((x, y)),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::point_in_polygon;

    const WITH_HOLE: &str = "polygon ((0 0, 10 0, 10 10, 0 10, 0 0), (4 4, 6 4, 6 6, 4 6, 4 4))";

    #[test]
    fn inside_outside_and_in_the_hole() {
        assert_eq!(point_in_polygon(WITH_HOLE, 2.0, 2.0), Ok(true));
        assert_eq!(point_in_polygon(WITH_HOLE, 5.0, 5.0), Ok(false));
        assert_eq!(point_in_polygon(WITH_HOLE, 11.0, 5.0), Ok(false));
        assert_eq!(point_in_polygon("POLYGON((0 0,4 0,0 4,0 0))", 3.0, 3.0), Ok(false));
        assert_eq!(point_in_polygon("POLYGON((0 0,4 0,0 4,0 0))", 1.0, 1.0), Ok(true));
    }

    #[test]
    fn what_is_no_polygon() {
        for text in [
            "",
            "POINT (1 2)",
            "POLYGON",
            "POLYGON ()",
            "POLYGON ((0 0, 1 1, 2 x, 0 0))",
            "POLYGON ((0 0, 1 1, 2 2))",
        ] {
            assert!(point_in_polygon(text, 0.0, 0.0).is_err(), "{}", text);
        }
    }
}
