//! Frames of streams that are not open: which of them open one, and what the others are told.

use std::time::Instant;

use super::{Connection, Role};
use crate::limits;
use crate::streams::ack_bits;
use crate::streams::ended::reason;
use crate::streams::event::Event;
use crate::streams::frame::{Acks, Body, Frame};
use crate::streams::peer::Peer;
use crate::streams::seq;
use crate::streams::stream::Stream;

impl Connection {
    /// A frame of a stream that is not open: the key if it opens one.
    pub(super) fn meet(&mut self, frame: &Frame, now: Instant) -> Option<u64> {
        let shown = Peer::of(frame);
        // What a peer says that has received something of a stream is about one that was here, and is not any more.
        let has_nothing =
            frame.acks == Acks::PLAIN || frame.acks.ack == seq::NOTHING && frame.acks.bits == 0;
        match &frame.body {
            Body::Reset(_) => None,
            _ if self.ended.contains(&frame.stream) => {
                self.reply_reset(frame, "the stream is over")
            }
            _ if self.role == Role::Harness => None,
            Body::Data(_) | Body::Handshake(_) => {
                let is_near = match &frame.body {
                    Body::Data(segment) => {
                        segment.seq().wrapping_sub(self.first_seq) < limits::WINDOW_SEGMENTS
                    }
                    _ => true,
                };
                // Plain peers are taken as they come.
                if shown != Peer::Plain && !(has_nothing && is_near) {
                    return self.reply_reset(frame, "no such stream");
                }
                if self.streams.len() >= limits::STREAMS {
                    return self.reply_reset(frame, "too many streams");
                }
                let id = frame.stream.clone();
                self.events.push_back(Event::Opened(id.clone()));
                let with_handshake = matches!(frame.body, Body::Handshake(_));
                let stream = Stream::opened_by_peer(id, self.first_seq, with_handshake, now);
                Some(self.insert(stream))
            }
            // A plain harness begins with a resume that nobody answers.
            _ if shown == Peer::Plain => None,
            Body::Resume { next_seq } if *next_seq != self.first_seq => {
                self.reply_reset(frame, "no such stream")
            }
            _ if !has_nothing => self.reply_reset(frame, "no such stream"),
            Body::Ack => None,
            // Whoever asks before the first message learns that somebody is here who keeps the contract. It costs no place: that comes with the first segment.
            Body::Resume { .. } | Body::Heartbeat => {
                let acks = ack_bits::write(self.first_seq, |_| false);
                self.reply(Frame {
                    stream: frame.stream.clone(),
                    acks,
                    body: Body::Ack,
                });
                None
            }
        }
    }

    fn reply_reset(&mut self, to: &Frame, words: &str) -> Option<u64> {
        self.reply(Frame {
            stream: to.stream.clone(),
            acks: Acks::PLAIN,
            body: Body::Reset(reason(words)),
        });
        None
    }

    pub(super) fn reply(&mut self, frame: Frame) {
        if self.replies.len() < limits::REPLIES {
            self.replies.push_back(frame);
        }
    }
}
