//! Decoding an object whose JSON was found to be sound before, without finding that out again.
//!
//! The envelope reads the whole message and leaves `params` as text ([`RawValue`](serde_json::value::RawValue)). Decoding them with
//! serde_json alone reads all of it a second time, also what is only handed on as text or not wanted at all: for a small call under a
//! profile that is a kilobyte of `sandbox`, some 2 us of a call of 12. Here the members are found by their quotes and brackets, and
//! serde_json decodes the values that somebody wants.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Error;
use serde_json::value::RawValue;

/// A value as the text that it came as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbatim<'a>(&'a str);

/// The name by which [`Verbatim`] asks for itself.
const VERBATIM: &str = "$lockgate::Verbatim";

impl<'a> Verbatim<'a> {
    /// Of a text that is known to be one sound JSON value.
    pub(crate) fn new(text: &'a str) -> Verbatim<'a> {
        Verbatim(text)
    }

    /// The JSON.
    pub fn get(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Verbatim<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Verbatim<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            /// From [`Value`].
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Verbatim(text))
            }

            /// From serde_json, which ignores the name.
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                Ok(Verbatim(<&RawValue>::deserialize(deserializer)?.get()))
            }
        }

        deserializer.deserialize_newtype_struct(VERBATIM, Text)
    }
}

/// Decodes a sound object. `expected` is an object that may well be the value of a member: it is recognized without being read.
pub(crate) fn decode<'a, T: Deserialize<'a>>(
    object: &'a str,
    expected: Option<&str>,
) -> Result<T, Error> {
    T::deserialize(Object {
        text: object,
        expected: expected.filter(|text| text.starts_with('{')),
    })
}

/// Replaces the members of an object one by one; everything that is no struct is left to serde_json.
struct Object<'a, 'e> {
    text: &'a str,
    expected: Option<&'e str>,
}

/// One value of it.
struct Value<'a>(&'a str);

/// Methods that serde_json answers for the text.
macro_rules! by_serde_json {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            serde_json::Deserializer::from_str(self.text()).$method($($argument,)* visitor)
        })*
    };
}

macro_rules! most_by_serde_json {
    () => {
        by_serde_json! {
            deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
            deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
            deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
            deserialize_bytes() deserialize_byte_buf() deserialize_unit() deserialize_unit_struct(name: &'static str)
            deserialize_seq() deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize)
            deserialize_map() deserialize_enum(name: &'static str, variants: &'static [&'static str])
            deserialize_identifier()
        }
    };
}

impl<'a> Object<'a, '_> {
    fn text(&self) -> &'a str {
        self.text
    }
}

impl<'de> Deserializer<'de> for Object<'de, '_> {
    type Error = Error;

    most_by_serde_json! {}

    by_serde_json! {
        deserialize_option() deserialize_newtype_struct(name: &'static str) deserialize_ignored_any()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Members {
            at: 1,
            object: self,
        })
    }
}

impl<'a> Value<'a> {
    fn text(&self) -> &'a str {
        self.0
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    most_by_serde_json! {}

    by_serde_json! {
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            "null" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            VERBATIM => visitor.visit_borrowed_str(self.0),
            name => {
                serde_json::Deserializer::from_str(self.0).deserialize_newtype_struct(name, visitor)
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// The members of an object that are still to come.
struct Members<'a, 'e> {
    object: Object<'a, 'e>,
    /// Where they begin.
    at: usize,
}

impl<'a> Members<'a, '_> {
    /// The next byte that is no space, which stays the next one.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.object.text.as_bytes()[self.at..];
        let spaces = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        self.at += spaces.count();
        self.object.text.as_bytes().get(self.at).copied()
    }

    /// The value that comes next, whatever it is.
    fn value(&mut self) -> Result<&'a str, Error> {
        self.peek();
        let text: &'a str = &self.object.text[self.at..];
        let len = match self.object.expected {
            // A sound value that begins with a whole object is that object.
            Some(expected) if text.starts_with(expected) => expected.len(),
            _ => len(text.as_bytes()).ok_or_else(unsound)?,
        };
        self.at += len;
        text.get(..len).ok_or_else(unsound)
    }
}

impl<'de> MapAccess<'de> for Members<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        match self.peek() {
            Some(b'}') => return Ok(None),
            Some(b',') => self.at += 1,
            _ => {}
        }
        let quoted = self.value()?;
        let plain = quoted
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .ok_or_else(unsound)?;
        match plain.contains('\\') {
            false => seed.deserialize(BorrowedStrDeserializer::<Error>::new(plain)),
            true => {
                let name: String = serde_json::from_str(quoted)?;
                seed.deserialize(StringDeserializer::<Error>::new(name))
            }
        }
        .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b':') => self.at += 1,
            _ => return Err(unsound()),
        }
        seed.deserialize(Value(self.value()?))
    }
}

/// Bytes of the value that sound JSON begins with.
fn len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_len(text),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0usize);
            loop {
                match text.get(at)? {
                    b'"' => at += string_len(&text[at..])?,
                    b'{' | b'[' => {
                        depth += 1;
                        at += 1;
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        at += 1;
                        if depth == 0 {
                            return Some(at);
                        }
                    }
                    _ => at += 1,
                }
            }
        }
        _ => text
            .iter()
            .position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace()),
    }
}

/// Bytes of the string that a text begins with, quotes and all.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        // The escaped character; of \uXXXX the digits are plain text.
        at += 2;
    }
}

fn unsound() -> Error {
    de::Error::custom("not JSON")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        #[serde(default, borrow)]
        sandbox: Option<Verbatim<'a>>,
        #[serde(default)]
        path: Option<String>,
        #[serde(default)]
        deep: Option<BTreeMap<String, Json>>,
        #[serde(default, alias = "otherName")]
        flag: Option<bool>,
    }

    /// What came of it; of an error its text without the position.
    fn outcome(decoded: Result<Params<'_>, Error>) -> Result<Params<'_>, String> {
        decoded.map_err(|error| {
            let position = format!(" at line {} column {}", error.line(), error.column());
            error.to_string().replace(&position, "")
        })
    }

    #[track_caller]
    fn same(text: &str, expected: Option<&str>) {
        assert_eq!(
            outcome(decode(text, expected)),
            outcome(serde_json::from_str(text)),
            "{text}"
        );
    }

    #[test]
    fn what_serde_json_makes_of_an_object_comes_out_here_too() {
        for text in [
            "{}",
            " { } ".trim(),
            r#"{"sandbox":null,"path":"a\"b\\","flag":true}"#,
            r#"{ "sandbox" : {"a":["}","]",{"b":"\\"}]} , "x" : [1,-2e3,"\u0041"] }"#,
            r#"{"\u0073andbox":"text","fl\u0061g":false}"#,
            r#"{"path":1}"#,
            r#"{"path":"a","path":"b"}"#,
            r#"{"flag":true,"otherName":false}"#,
            r#"{"deep":{"a":{"b":[[[]]]}}}"#,
            r#"{"deep":[]}"#,
            r#"{"sandbox":1.5e-3}"#,
            "{\"sandbox\"\n:\t{\"permissions\" : 1}\r\n}",
        ] {
            same(text, None);
            same(text, Some(r#"{"permissions" : 1}"#));
        }
    }

    #[test]
    fn an_expected_object_is_taken_only_for_itself() {
        let expected = r#"{"a":1}"#;
        for (text, wanted) in [
            (r#"{"sandbox":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"sandbox":{"a":1} ,"path":"x"}"#, r#"{"a":1}"#),
            (r#"{"sandbox":{"a":12}}"#, r#"{"a":12}"#),
            (
                r#"{"x":"{\"a\":1}","sandbox":{"a":1,"b":2}}"#,
                r#"{"a":1,"b":2}"#,
            ),
        ] {
            let params: Params<'_> = decode(text, Some(expected)).expect("decoded");
            assert_eq!(params.sandbox.map(Verbatim::get), Some(wanted));
        }
        // What is no whole object proves nothing: a longer value can begin with it.
        let params: Params<'_> = decode(r#"{"sandbox":12}"#, Some("1")).expect("decoded");
        assert_eq!(params.sandbox.map(Verbatim::get), Some("12"));
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "[a-z\"\\\\{}\\[\\],: \u{e4}]{0,8}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let name = prop_oneof![
                Just("sandbox".to_owned()),
                Just("path".to_owned()),
                Just("deep".to_owned()),
                Just("flag".to_owned()),
                "[a-z\"\\\\{}]{0,4}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::vec((name, inner), 0..6).prop_map(Json::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_object_is_decoded_as_serde_json_does(value in json(), pretty: bool) {
            if value.is_object() {
                let text = match pretty {
                    true => format!("{value:#}"),
                    false => value.to_string(),
                };
                let expected = value["sandbox"].to_string();
                same(&text, None);
                same(&text, Some(&expected));
            }
        }
    }
}
