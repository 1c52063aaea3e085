//! What may have been meant by a name that is not there.

use strsim::osa_distance;

use crate::limits;

/// Letters of a name that one may differ in.
const SHORTEST: usize = 3;

/// The name that is least different, if that is little: one letter in four, added, left out, another one, or changed places with its neighbour.
/// Of one letter or two every other would be meant by chance: there the case alone may differ.
pub(super) fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let wanted = letters(name)?;
    let near = names.iter().filter_map(|other| {
        let letters = letters(other)?;
        let shorter = wanted.chars().count().min(letters.chars().count());
        let distance = osa_distance(&wanted, &letters);
        let most = if shorter < SHORTEST {
            0
        } else {
            shorter.div_ceil(4)
        };
        (shorter > 0 && distance <= most).then_some((distance, other.as_str()))
    });
    // Of several the first, as they are listed.
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// In one case; `None` of what is too long to be an id.
fn letters(name: &str) -> Option<String> {
    (name.len() <= limits::ENVIRONMENT_ID).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_what_differs_little() {
        let names =
            ["local", "box", "b2", "build-box", "staging-1", "staging-2"].map(str::to_owned);
        for (name, meant) in [
            ("bix", Some("box")),
            ("Box", Some("box")),
            ("bxo", Some("box")),
            ("boxx", Some("box")),
            ("loacl", Some("local")),
            ("buildbox", Some("build-box")),
            ("staging-3", Some("staging-1")),
            ("stging2", Some("staging-2")),
            ("B2", Some("b2")),
            ("bo", None),
            ("b3", None),
            ("remote", None),
            ("x", None),
            ("", None),
            ("ünïcödé", None),
        ] {
            assert_eq!(nearest(name, &names), meant, "{name}");
        }
        assert_eq!(nearest("c", &["a".to_owned(), "b".to_owned()]), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), &names), None);
    }
}
