//! Trees over the wire, as tars in memory.

use serde_json::{Value, json};

use crate::{Refusal, Wire, decoded};

/// Reads a tree in blocks of `len`; returns its tar and the report.
pub async fn read_tree(
    wire: &mut Wire,
    sandbox: &Value,
    path: Value,
    len: usize,
) -> Result<(Vec<u8>, Value), Refusal> {
    read(wire, "lockgate/fs/readTree", sandbox, path, len).await
}

/// Reads what a tree has in blocks of `len`; returns its lines and the report.
pub async fn list_tree(
    wire: &mut Wire,
    sandbox: &Value,
    path: Value,
    len: usize,
) -> Result<(Vec<Value>, Value), Refusal> {
    let (bytes, report) = read(wire, "lockgate/fs/listTree", sandbox, path, len).await?;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|line| serde_json::from_slice(line).expect("JSON"));
    Ok((lines.collect(), report))
}

async fn read(
    wire: &mut Wire,
    method: &str,
    sandbox: &Value,
    path: Value,
    len: usize,
) -> Result<(Vec<u8>, Value), Refusal> {
    let open = json!({"handleId": "tree", "path": path, "sandbox": sandbox});
    wire.call(method, open).await?;
    let mut bytes = Vec::new();
    loop {
        let block = json!({"handleId": "tree", "offset": bytes.len(), "len": len});
        let block = wire.call("fs/readBlock", block).await?;
        bytes.extend(decoded(&block["chunk"]));
        if block["eof"] == true {
            break;
        }
    }
    let report = wire
        .call("lockgate/fs/finishTree", json!({"handleId": "tree"}))
        .await?;
    Ok((bytes, report))
}

/// Writes a tar in blocks of `len`; returns the report.
pub async fn write_tree(
    wire: &mut Wire,
    sandbox: &Value,
    path: Value,
    tar: &[u8],
    len: usize,
) -> Result<Value, Refusal> {
    let open = json!({"handleId": "tree", "path": path, "sandbox": sandbox});
    wire.call("lockgate/fs/writeTree", open).await?;
    for (number, piece) in tar.chunks(len).enumerate() {
        let chunk = base64_simd::STANDARD.encode_to_string(piece);
        let block = json!({"handleId": "tree", "offset": number * len, "chunk": chunk});
        wire.call("lockgate/fs/writeTreeBlock", block).await?;
    }
    wire.call("lockgate/fs/finishTree", json!({"handleId": "tree"}))
        .await
}

/// An entry of a tar, whatever its name says.
pub fn tar_entry(tar: &mut Vec<u8>, kind: tar::EntryType, name: &str, target: &str, data: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    let fields = header.as_gnu_mut().expect("GNU's");
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// The names in a tar, sorted.
pub fn tar_names(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let mut names: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|entry| {
            let entry = entry.expect("an entry");
            entry.path().expect("a name").display().to_string()
        })
        .collect();
    names.sort();
    names
}

pub(crate) async fn fetch(
    wire: &mut Wire,
    sandbox: &Value,
    path: Value,
) -> Result<String, Refusal> {
    let (bytes, report) = read_tree(wire, sandbox, path, 1_000).await?;
    let mut names = tar_names(&bytes);
    let left_out = report["leftOut"].as_array().expect("a list").iter();
    names.extend(left_out.map(|left| format!("{}:{}", left["name"], left["reason"])));
    Ok(names.join(" "))
}

/// The names in a directory's tree, or `file`.
pub(crate) async fn outline(
    wire: &mut Wire,
    sandbox: &Value,
    path: Value,
) -> Result<String, Refusal> {
    let (lines, _) = list_tree(wire, sandbox, path, 1_000).await?;
    if lines[0]["kind"] == "file" {
        return Ok("file".to_owned());
    }
    let names = lines[1..].iter().filter_map(|line| line["name"].as_str());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    Ok(names.join(" "))
}

pub(crate) async fn send_file(
    wire: &mut Wire,
    sandbox: &Value,
    path: Value,
    name: &str,
) -> Result<String, Refusal> {
    let mut tar = Vec::new();
    tar_entry(&mut tar, tar::EntryType::Regular, name, "", b"sent");
    let report = write_tree(wire, sandbox, path, &tar, 100).await?;
    Ok(match report["leftOutCount"].as_u64() {
        Some(0) => "ok".to_owned(),
        _ => "left out".to_owned(),
    })
}
