//! `fs put`: a local file or stdin to a path.

use std::io::Read;
use std::path::Path;

use lockgate_wire::Base64Text;
use lockgate_wire::fs::WriteFileParams;
use lockgate_wire::limits::MESSAGE_BYTES;

use super::{Place, about};
use crate::failure::Failure;

/// What fits into one message: base64 makes four bytes of three, and a profile and the envelope need some room.
const LARGEST: u64 = (MESSAGE_BYTES as u64 - 1024 * 1024) / 4 * 3;

pub(super) async fn put(place: &Place<'_>, local: &Path, path: &Path) -> Result<(), Failure> {
    let data = read(local)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    if data.len() as u64 > LARGEST {
        let text = format!(
            "`{}` is too large: at most {} MiB go into one message; without a profile, \
             `lockgate exec -- tee PATH <FILE >/dev/null` takes any size",
            local.display(),
            LARGEST / (1024 * 1024)
        );
        return Err(Failure::new(text));
    }
    let params = WriteFileParams {
        path: place.path(path)?,
        data_base64: Base64Text::encode(&data),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    place
        .client
        .write_file(&params)
        .await
        .map_err(about(place, path))
}

fn read(local: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    // One byte more than fits tells the difference.
    if local == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut data)?;
    } else {
        std::fs::File::open(local)?
            .take(LARGEST + 1)
            .read_to_end(&mut data)?;
    }
    Ok(data)
}
