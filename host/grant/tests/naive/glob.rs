//! Deny globs by brute force: braces are written out, the rest is split at `/` and tried in every way that there is.

/// True when one of the patterns that `pattern` stands for matches all of `path`.
pub fn matches(pattern: &str, path: &str) -> bool {
    let path: Vec<&str> = names(path);
    written_out(pattern)
        .iter()
        .any(|pattern| some_way(&names(pattern), &path))
}

/// The part of a pattern before the first name with anything special in it, and the rest.
pub fn fixed_part(pattern: &str) -> (Vec<String>, Vec<String>) {
    let names: Vec<String> = names(pattern).into_iter().map(str::to_owned).collect();
    let special = |name: &String| name.contains(['*', '?', '[', ']', '{', '}', ',', '\\']);
    let fixed = names.iter().take_while(|name| !special(name)).count();
    (names[..fixed].to_vec(), names[fixed..].to_vec())
}

fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// `a{b,c}` is `ab` and `ac`. No braces within braces here.
fn written_out(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return vec![pattern.to_owned()];
    };
    let (choices, after) = rest.split_once('}').expect("closed braces");
    choices
        .split(',')
        .flat_map(|choice| written_out(&format!("{before}{choice}{after}")))
        .collect()
}

fn some_way(pattern: &[&str], path: &[&str]) -> bool {
    match pattern {
        [] => path.is_empty(),
        // At the end it stands for something below, elsewhere for any number of directories.
        ["**"] => !path.is_empty(),
        ["**", rest @ ..] => (0..=path.len()).any(|skipped| some_way(rest, &path[skipped..])),
        [first, rest @ ..] => match path {
            [] => false,
            [name, below @ ..] => {
                let (first, name): (Vec<char>, Vec<char>) =
                    (first.chars().collect(), name.chars().collect());
                one_name(&first, &name) && some_way(rest, below)
            }
        },
    }
}

fn one_name(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|skipped| one_name(rest, &name[skipped..])),
        ['?', rest @ ..] => !name.is_empty() && one_name(rest, &name[1..]),
        ['[', rest @ ..] => {
            let end = rest
                .iter()
                .position(|char| *char == ']')
                .expect("a closed class");
            let (class, rest) = (&rest[..end], &rest[end + 1..]);
            let (but, class) = match class {
                ['!', class @ ..] => (true, class),
                class => (false, class),
            };
            !name.is_empty() && class.contains(&name[0]) != but && one_name(rest, &name[1..])
        }
        [char, rest @ ..] => name.first() == Some(char) && one_name(rest, &name[1..]),
    }
}

#[test]
fn the_matcher_knows_the_examples_of_gits_manual() {
    for (pattern, path, wanted) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/b/c", false),
        ("/a/*", "/a", false),
        ("/**/foo", "/foo", true),
        ("/**/foo", "/a/b/foo", true),
        ("/abc/**", "/abc/x/y", true),
        ("/abc/**", "/abc", false),
        ("/a/**/b", "/a/b", true),
        ("/a/**/b", "/a/x/y/b", true),
        ("/a/**/b", "/a/x/y/c", false),
        ("/a/{b,c}?", "/a/cx", true),
        ("/a/[bc]", "/a/b", true),
        ("/a/[!bc]", "/a/b", false),
        ("/a/*.env", "/a/.env", true),
    ] {
        assert_eq!(matches(pattern, path), wanted, "{pattern} {path}");
    }
}
