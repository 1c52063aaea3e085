//! The JSON-RPC envelope, borrowed from the message: nothing below the top level is decoded here.
//!
//! What a message is follows from its members, in the order request, notification, response,
//! error; there is no `jsonrpc` member, one that is present is ignored. Members that appear twice make the message
//! malformed: two readers might pick different ones.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::complexity::too_many_values;
use crate::known::Shortened;
use crate::{ErrorObject, Id, Malformed, Verbatim};

/// A message that was read.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// `id` and `method`.
    Request(Request<'a>),
    /// `method` without `id`.
    Notification(Notification<'a>),
    /// `id` and `result`.
    Response(Reply<'a>),
    /// `id` and `error`.
    Error(ErrorReply),
}

/// A call that wants an answer.
#[derive(Debug)]
pub struct Request<'a> {
    /// To be echoed.
    pub id: Id,
    /// As it came; see [`crate::Method::from_name`].
    pub method: Cow<'a, str>,
    /// `None` for absent and for `null`, which mean the same.
    pub params: Option<Verbatim<'a>>,
    /// W3C trace context, carried and not looked at.
    pub trace: Option<Verbatim<'a>>,
}

/// A message that wants no answer.
#[derive(Debug)]
pub struct Notification<'a> {
    /// As it came.
    pub method: Cow<'a, str>,
    /// `None` for absent and for `null`.
    pub params: Option<Verbatim<'a>>,
}

/// The answer to one of our requests.
#[derive(Debug)]
pub struct Reply<'a> {
    /// Which request.
    pub id: Id,
    /// Also present when it is `null`.
    pub result: Verbatim<'a>,
}

/// The refusal of one of our requests.
#[derive(Debug)]
pub struct ErrorReply {
    /// Which request.
    pub id: Id,
    /// Code and text.
    pub error: ErrorObject,
}

impl<'a> Incoming<'a> {
    /// Reads one message. Everything about it may be wrong; nothing about it makes this panic or recurse.
    pub fn parse(message: &'a str) -> Result<Self, Malformed> {
        if too_many_values(message) {
            return Err(Malformed::TooManyValues);
        }
        let members: Members<'a> =
            serde_json::from_str(message).map_err(|error| Malformed::Json(error.to_string()))?;
        members.classify()
    }

    /// [`Incoming::parse`] of a message whose `sandbox` is probably this sound JSON object again. It is recognized and not read: for a
    /// small call that is most of the message.
    pub fn parse_expecting(message: &'a str, sandbox: Option<&str>) -> Result<Self, Malformed> {
        let known = sandbox.and_then(|sandbox| Shortened::new(message, sandbox));
        match known.and_then(|known| Request::known(&known)) {
            Some(request) if !too_many_values(message) => Ok(Incoming::Request(request)),
            // Whatever is wrong with it is told of the message as it came.
            _ => Self::parse(message),
        }
    }

    /// The same for bytes (binary frames, lines of stdio).
    pub fn parse_bytes(message: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse(std::str::from_utf8(message)?)
    }
}

impl<'a> Request<'a> {
    /// The request of a message that was shortened, with what it borrows taken from the message itself.
    fn known(known: &Shortened<'a>) -> Option<Request<'a>> {
        let members: Members<'_> = serde_json::from_str(known.text()).ok()?;
        let Ok(Incoming::Request(request)) = members.classify() else {
            return None;
        };
        let whole = |part: Option<Verbatim<'_>>| match part {
            Some(part) => known
                .whole(part.get())
                .map(|text| Some(Verbatim::new(text))),
            None => Some(None),
        };
        Some(Request {
            method: match request.method {
                Cow::Borrowed(method) => Cow::Borrowed(known.whole(method)?),
                Cow::Owned(method) => Cow::Owned(method),
            },
            params: whole(request.params)?,
            trace: whole(request.trace)?,
            id: request.id,
        })
    }
}

/// The top level as read: each member that means something, present or not.
#[derive(Default)]
struct Members<'a> {
    id: Option<MaybeId>,
    method: Option<Text<'a>>,
    params: Option<Option<Verbatim<'a>>>,
    trace: Option<Option<Verbatim<'a>>>,
    result: Option<Verbatim<'a>>,
    error: Option<ErrorObject>,
}

/// `null` is told from a wrong type because its error message has to say more.
type MaybeId = Option<Id>;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    fn classify(self) -> Result<Incoming<'a>, Malformed> {
        let id = match self.id {
            Some(None) => return Err(Malformed::NullId),
            Some(Some(id)) => Some(id),
            None => None,
        };
        let params = self.params.flatten();
        match (id, self.method, self.result, self.error) {
            (Some(id), Some(Text(method)), ..) => Ok(Incoming::Request(Request {
                id,
                method,
                params,
                trace: self.trace.flatten(),
            })),
            (None, Some(Text(method)), ..) => {
                Ok(Incoming::Notification(Notification { method, params }))
            }
            (Some(id), None, Some(result), _) => Ok(Incoming::Response(Reply { id, result })),
            (Some(id), None, None, Some(error)) => Ok(Incoming::Error(ErrorReply { id, error })),
            (Some(_), None, None, None) => Err(Malformed::Shape(
                "it has an `id` but no `method`, `result` or `error`",
            )),
            (None, None, ..) => Err(Malformed::Shape("it has neither `method` nor `id`")),
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Member {
    Id,
    Method,
    Params,
    Trace,
    Result,
    Error,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> de::Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON-RPC message (an object)")
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(member) = map.next_key()? {
                    match member {
                        Member::Id => once("id", &mut members.id, &mut map)?,
                        Member::Method => once("method", &mut members.method, &mut map)?,
                        Member::Params => once("params", &mut members.params, &mut map)?,
                        Member::Trace => once("trace", &mut members.trace, &mut map)?,
                        Member::Result => once("result", &mut members.result, &mut map)?,
                        Member::Error => once("error", &mut members.error, &mut map)?,
                        Member::Other => {
                            map.next_value::<de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

fn once<'de, T: Deserialize<'de>, A: de::MapAccess<'de>>(
    name: &'static str,
    place: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *place = Some(map.next_value()?);
    Ok(())
}
