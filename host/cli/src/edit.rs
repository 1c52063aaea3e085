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
    let mut text = with_remark(document, &plain(before)).replace("\r\n", "\n");
    let ends = before.matches('\n').count();
    if ends > 0 && ends == before.matches("\r\n").count() {
        text = text.replace('\n', "\r\n");
    }
    match before.starts_with(MARK) {
        true => format!("{MARK}{text}"),
        false => text,
    }
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
