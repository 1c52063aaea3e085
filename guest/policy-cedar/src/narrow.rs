//! How annotations make smaller what a policy permits, and what holds if several policies do.

use lockgate_policy::{Access, GrantEntry, Narrowing, path};

/// The annotations that narrow.
pub(crate) const ANNOTATIONS: [&str; 7] = [
    "grant_look",
    "grant_read",
    "grant_write",
    "grant_nothing",
    "drop_env",
    "time_limit_ms",
    "output_limit_bytes",
];

/// Adds what one annotation of a policy says. Lists have commas between their items.
pub(crate) fn add(narrowing: &mut Narrowing, name: &str, text: &str) -> Result<(), String> {
    let items = || {
        let items: Vec<_> = text.split(',').map(str::trim).collect();
        match items.iter().any(|item| item.is_empty()) {
            true => Err(format!("{text:?} has an empty item")),
            false => Ok(items),
        }
    };
    let number = || {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} is no whole number"))
    };
    let mut grant = |access| {
        let grant = narrowing.grant.get_or_insert_default();
        for item in items()? {
            let path = path::normalized(item)?;
            if grant.iter().any(|entry| entry.path == path) {
                return Err(format!("{path:?} is granted twice"));
            }
            grant.push(GrantEntry { path, access });
        }
        Ok(())
    };
    match name {
        "grant_look" => grant(Some(Access::Look))?,
        "grant_read" => grant(Some(Access::Read))?,
        "grant_write" => grant(Some(Access::Write))?,
        "grant_nothing" => grant(None)?,
        "drop_env" => narrowing
            .drop_env
            .extend(items()?.into_iter().map(str::to_owned)),
        "time_limit_ms" => narrowing.time_limit = Some(number()?),
        "output_limit_bytes" => narrowing.output_limit = Some(number()?),
        _ => return Err("is no annotation that narrows".to_owned()),
    }
    Ok(())
}

/// What holds if both do.
pub(crate) fn both(one: Narrowing, other: Narrowing) -> Narrowing {
    let mut drop_env = [one.drop_env, other.drop_env].concat();
    drop_env.sort_unstable();
    drop_env.dedup();
    Narrowing {
        grant: match (one.grant, other.grant) {
            (Some(one), Some(other)) => Some(intersection(&one, &other)),
            (one, other) => one.or(other),
        },
        drop_env,
        time_limit: least(one.time_limit, other.time_limit),
        output_limit: least(one.output_limit, other.output_limit),
    }
}

/// At each path that one of two grants names: what both allow there.
fn intersection(one: &[GrantEntry], other: &[GrantEntry]) -> Vec<GrantEntry> {
    let mut paths: Vec<_> = one.iter().chain(other).map(|entry| &entry.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let at = |path: &String| GrantEntry {
        path: path.clone(),
        access: access(one, path).min(access(other, path)),
    };
    paths.into_iter().map(at).collect()
}

/// What a grant allows at a path: the longest path that it is at or below says so.
fn access(grant: &[GrantEntry], at: &str) -> Option<Access> {
    grant
        .iter()
        .filter(|entry| path::is_below(at, &entry.path))
        .max_by_key(|entry| entry.path.len())
        .and_then(|entry| entry.access)
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(entries: &[(&str, Option<Access>)]) -> Vec<GrantEntry> {
        let entry = |(path, access): &(&str, _)| GrantEntry {
            path: (*path).to_owned(),
            access: *access,
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn annotations_become_a_narrowing() {
        let mut narrowing = Narrowing::new();
        for (name, text) in [
            ("grant_read", "/, /usr/"),
            ("grant_write", "/work"),
            ("grant_nothing", "/work/.git"),
            ("drop_env", "A, B"),
            ("time_limit_ms", "1000"),
            ("output_limit_bytes", "5"),
        ] {
            add(&mut narrowing, name, text).expect(name);
        }
        let expected = Narrowing::new()
            .read("/")
            .read("/usr")
            .write("/work")
            .nothing("/work/.git")
            .drop_env("A")
            .drop_env("B")
            .time_limit(1000)
            .output_limit(5);
        assert_eq!(narrowing, expected);
    }

    #[test]
    fn what_is_no_narrowing_is_refused() {
        for (name, text) in [
            ("grant_read", ""),
            ("grant_read", "work"),
            ("grant_read", "/work/../etc"),
            ("grant_read", "/a,,/b"),
            ("grant_write", "/a,/a/"),
            ("drop_env", "A,"),
            ("time_limit_ms", "1s"),
            ("time_limit_ms", "-1"),
            ("output_limit_bytes", ""),
        ] {
            assert!(
                add(&mut Narrowing::new(), name, text).is_err(),
                "{name} {text}"
            );
        }
    }

    #[test]
    fn two_grants_allow_what_both_allow() {
        use Access::*;
        let one = grant(&[
            ("/", Some(Read)),
            ("/work", Some(Write)),
            ("/work/.git", None),
        ]);
        let other = grant(&[("/work", Some(Read)), ("/work/out", Some(Write))]);
        assert_eq!(
            intersection(&one, &other),
            grant(&[
                ("/", None),
                ("/work", Some(Read)),
                ("/work/.git", None),
                ("/work/out", Some(Write)),
            ])
        );
        assert_eq!(access(&one, "/workshop"), Some(Read), "no prefix twin");
        // A grant of nothing at all stays one: it is not the same as none.
        assert_eq!(
            both(Narrowing::new().read("/a"), Narrowing::new().write("/b")).grant,
            Some(grant(&[("/a", None), ("/b", None)]))
        );
    }

    #[test]
    fn limits_are_the_least_and_names_are_joined() {
        let one = Narrowing::new().time_limit(5).drop_env("B").drop_env("A");
        let other = Narrowing::new().time_limit(3).output_limit(9).drop_env("B");
        let expected = Narrowing::new()
            .time_limit(3)
            .output_limit(9)
            .drop_env("A")
            .drop_env("B");
        assert_eq!(both(one.clone(), other.clone()), expected);
        assert_eq!(both(other, one), expected);
    }
}
