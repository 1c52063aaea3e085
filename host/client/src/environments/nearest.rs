//! What may have been meant by a name that is not there.

use crate::limits;

/// The name that is least different, if that is little: one letter in four, added, left out, another one, or changed places with its neighbour.
pub(super) fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let wanted = letters(name)?;
    let near = names.iter().filter_map(|other| {
        let letters = letters(other)?;
        let shorter = wanted.len().min(letters.len());
        let distance = distance(&wanted, &letters);
        // Something of it has to be the same.
        let is_near = distance <= shorter.div_ceil(4) && distance < shorter;
        is_near.then_some((distance, other.as_str()))
    });
    // Of several the first, as they are listed.
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// In one case; `None` of what is too long to be an id.
fn letters(name: &str) -> Option<Vec<u8>> {
    (name.len() <= limits::ENVIRONMENT_ID).then(|| name.to_ascii_lowercase().into_bytes())
}

/// How many of these changes make one of the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let same = above[j] + usize::from(a != b);
            let mut least = same.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_what_differs_little() {
        let names = ["local", "box", "build-box", "staging-1", "staging-2"].map(str::to_owned);
        for (name, meant) in [
            ("bix", Some("box")),
            ("Box", Some("box")),
            ("bxo", Some("box")),
            ("boxx", Some("box")),
            ("loacl", Some("local")),
            ("buildbox", Some("build-box")),
            ("staging-3", Some("staging-1")),
            ("stging2", Some("staging-2")),
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
