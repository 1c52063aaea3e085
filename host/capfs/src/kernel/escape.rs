//! File names are bytes, WIT strings are UTF-8: a reversible escape between them.
//!
//! A byte that is not part of valid UTF-8 becomes the private character U+EF00 + byte. Names that really hold one of these
//! characters have its three bytes escaped instead, so that no two names get the same text. Only bytes from 0x80 up are ever escaped:
//! no text can smuggle in a `/`, a dot or a NUL.

use std::borrow::Cow;

const FIRST: u32 = 0xef80;
const LAST: u32 = 0xefff;

/// The text for a name or a path.
pub(crate) fn encode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !holds_escapes(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 3);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match is_escape(character) {
                false => text.push(character),
                true => character
                    .encode_utf8(&mut [0; 4])
                    .bytes()
                    .for_each(|byte| text.push(escape(byte))),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| text.push(escape(*byte)));
    }
    Cow::Owned(text)
}

/// The bytes that a text stands for.
pub(crate) fn decode(text: &str) -> Cow<'_, [u8]> {
    if !holds_escapes(text.as_bytes()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match is_escape(character) {
            // The last eight bits are the byte: the range begins at a multiple of 256, plus 0x80.
            true => bytes.push((u32::from(character) & 0xff) as u8),
            false => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

fn is_escape(character: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(character))
}

fn escape(byte: u8) -> char {
    char::from_u32(0xef00 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// U+EF80 to U+EFFF are EE BE 80 to EE BF BF.
fn holds_escapes(bytes: &[u8]) -> bool {
    bytes
        .windows(2)
        .any(|pair| pair[0] == 0xee && matches!(pair[1], 0xbe | 0xbf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_no_two_names_meet() {
        let names: [&[u8]; 8] = [
            b"plain",
            "gr\u{fc}n".as_bytes(),
            b"\xff",
            b"a\xc3",
            b"\xed\xa0\x80",
            "\u{ef80}".as_bytes(),
            b"\x80",
            b"\xee\xbe",
        ];
        let texts: Vec<_> = names.iter().map(|name| encode(name)).collect();
        for (name, text) in names.iter().zip(&texts) {
            assert_eq!(&*decode(text), *name);
            assert_eq!(texts.iter().filter(|other| *other == text).count(), 1);
        }
        assert!(matches!(encode(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn attack_01_an_escape_cannot_spell_a_separator() {
        for character in (0xef00..=0xefffu32).filter_map(char::from_u32) {
            let text = character.to_string();
            let bytes = decode(&text);
            assert!(bytes.iter().all(|byte| *byte >= 0x80), "{character:?}");
        }
    }
}
