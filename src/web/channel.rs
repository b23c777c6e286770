//! BroadcastChannel: bytes to and from the other tabs.

use super::store::joined;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

/// A channel whose messages are `Uint8Array`s.
pub(super) struct Channel {
    channel: BroadcastChannel,
    _handler: Closure<dyn FnMut(MessageEvent)>,
}

impl Channel {
    /// Joins the channel called `name`; anything that is not bytes is ignored.
    pub(super) fn join(
        name: &str,
        on_message: impl Fn(Vec<u8>) + 'static,
    ) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(name)?;
        let handler = Closure::new(move |event: MessageEvent| {
            if let Ok(bytes) = event.data().dyn_into::<Uint8Array>() {
                on_message(bytes.to_vec());
            }
        });
        channel.set_onmessage(Some(handler.as_ref().unchecked_ref()));
        Ok(Self { channel, _handler: handler })
    }

    /// Sends bytes, which are in two parts, to every other tab. A closed channel sends nothing.
    pub(super) fn send(&self, parts: [&[u8]; 2]) {
        // The one failure is a channel that has been closed.
        let _ = self.channel.post_message(&joined(parts));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
