//! Changing files of an operator: without losing their remarks, and all at once.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, Value};

/// Before a text of some editors.
const MARK: &str = "\u{feff}";

/// A text to be made a document of, which keeps neither the mark nor the line ends of some editors, and would look for other ones between its lines.
pub(crate) fn plain(text: &str) -> String {
    text.strip_prefix(MARK)
        .unwrap_or(text)
        .replace("\r\n", "\n")
}

/// The document's text, with the line ends that the text before had, and its mark.
pub(crate) fn written(document: DocumentMut, before: &str) -> String {
    let text = with_remark(document, &plain(before)).replace("\r\n", "\n");
    let unmarked = before.strip_prefix(MARK).unwrap_or(before);
    let mark = &before[..before.len() - unmarked.len()];
    format!("{mark}{}", with_ends(&text, unmarked))
}

/// A text whose line ends are written as `\n`: in lines of its own they would be those of the file, which may be others.
pub(crate) fn in_one_line(text: &str) -> Value {
    let basic = text.contains(['\n', '\r']);
    // JSON's strings are TOML's, but for one character, which is no line end.
    let quoted = basic.then(|| serde_json::to_string(text).ok()).flatten();
    let quoted = quoted.map(|text| text.replace('\u{7f}', "\\u007f"));
    let value = quoted.and_then(|quoted| quoted.parse().ok());
    value.unwrap_or_else(|| Value::from(text))
}

/// Each line that was there before ends as it did, also where that is now one way and now another; new ones as most do.
fn with_ends(text: &str, before: &str) -> String {
    let windows = before.matches("\r\n").count();
    let all = before.matches('\n').count();
    if windows == 0 {
        return text.to_owned();
    }
    let usual = if windows * 2 >= all { "\r\n" } else { "\n" };
    let old: Vec<(&str, &str)> = before.split_inclusive('\n').map(with_end).collect();
    let new: Vec<(&str, &str)> = text.split_inclusive('\n').map(with_end).collect();
    let is_at = |at: usize, i: usize| match (old.get(at), new.get(i)) {
        (Some((old, _)), Some((new, _))) => old == new,
        (None, None) => true,
        _ => false,
    };
    // The line before that comes next.
    let mut at = 0;
    let mut ended = String::with_capacity(text.len() + new.len());
    for (i, (line, end)) in new.iter().enumerate() {
        let found = match is_at(at, i) {
            true => Some(at),
            // Some were left out. Single lines are like others (an empty one, the head of a table), three in a row are not.
            false => (at..old.len()).find(|&at| (0..3).all(|next| is_at(at + next, i + next))),
        };
        ended.push_str(line);
        match found {
            // The last line may have had none.
            Some(found) if !end.is_empty() && !old[found].1.is_empty() => {
                ended.push_str(old[found].1)
            }
            _ if !end.is_empty() => ended.push_str(usual),
            _ => {}
        }
        at = found.map_or(at, |found| found + 1);
    }
    ended
}

/// A line, and what ends it.
fn with_end(line: &str) -> (&str, &str) {
    let bare = line.strip_suffix('\n').unwrap_or(line);
    let bare = bare
        .strip_suffix('\r')
        .filter(|_| line.ends_with('\n'))
        .unwrap_or(bare);
    line.split_at(bare.len())
}

/// A remark at the end of the file, which belongs to no table, stays before what was added at the end.
fn with_remark(mut document: DocumentMut, before: &str) -> String {
    let remark = document.trailing().as_str().unwrap_or_default().to_owned();
    document.set_trailing("");
    let text = document.to_string();
    let added = before
        .strip_suffix(&remark)
        .and_then(|body| text.strip_prefix(body))
        .filter(|added| !remark.is_empty() && !added.is_empty());
    match added {
        None => text + &remark,
        Some(added) => {
            let line = if before.ends_with('\n') { "" } else { "\n" };
            let gap = if added.starts_with('\n') { "" } else { "\n" };
            format!("{before}{line}{gap}{added}")
        }
    }
}

/// Sets a key. A remark behind its old value stays.
pub(crate) fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// All of it or nothing: whoever reads the file meanwhile finds the old contents or the new ones. `mode` is for one that was not there.
pub(crate) fn write_over(path: &Path, contents: &[u8], mode: u32) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    let before = std::fs::metadata(path).ok();
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)?;
        if let Some(before) = &before {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(contents)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_keeps_its_end_and_new_ones_end_as_most_do() {
        let before = "# one\r\n\n[[e]]\r\nid = 1\r\n\r\n[[e]]\nid = 2\r\n\n[[e]]\r\nid = 3";
        for (text, wanted) in [
            (plain(before), before.to_owned()),
            (
                format!("new\n\n{}\n[[e]]\n", plain(before)),
                format!("new\r\n\r\n{before}\r\n[[e]]\r\n"),
            ),
            (
                plain(before).replace("[[e]]\nid = 2\n\n", ""),
                "# one\r\n\n[[e]]\r\nid = 1\r\n\r\n[[e]]\nid = 3".to_owned(),
            ),
            (
                plain(before).replace("id = 2", "id = 4"),
                before.replace("id = 2", "id = 4"),
            ),
        ] {
            assert_eq!(with_ends(&text, before), wanted);
        }
        assert_eq!(with_ends("a\nb\n", "a\nc\n"), "a\nb\n");
        assert_eq!(with_ends("a\nb\n", "a\r\n"), "a\r\nb\r\n");
        assert_eq!(with_ends("", "a\r\n"), "");
    }
}
