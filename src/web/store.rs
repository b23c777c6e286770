//! What the log needs of a store, whatever keeps the bytes.

use super::connection::Disturbed;
use crate::persist::frame::FrameError;
use crate::persist::lineage::Lineage;
use crate::persist::log::{Durability, Transaction};
use crate::persist::manifest::Manifest;
use crate::persist::replay::Repair;
use js_sys::{Reflect, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Is called once, when something has ended.
pub(super) type Done<T> = Box<dyn FnOnce(T)>;

/// A store with one manifest, records by their offsets, and pieces by the numbers of their bases and
/// their offsets. Nothing waits: what takes time tells its end to a callback.
pub(super) trait Store {
    /// Makes this context the owner: raises the epoch, and deletes what the manifest has no use for.
    /// A store that cannot be understood is left as it is.
    fn claim(&self, claimant: Claimant, done: Done<Result<Claim, StoreError>>);

    /// What there is, which stays as it is; a store that is not there is not made.
    fn inspect(&self, done: Done<Result<Claim, StoreError>>);

    /// Reads up to `most` frames from offset `from` on; none means the end.
    fn read(&self, part: Part, from: u64, most: u32, done: Done<Result<Vec<Stored>, StoreError>>);

    /// Performs a transaction of the log manager, a large one in several tasks.
    ///
    /// `leaving` does all of it at once, and commits without waiting for the check of the epoch, which
    /// a page that ends would not live to see; the Web Lock that it still holds keeps other owners
    /// out.
    fn append(
        &self,
        work: Rc<Transaction>,
        durability: Durability,
        leaving: bool,
        done: Done<Result<(), AppendError>>,
    );

    /// Makes the log end where the replay did; `record` is what stays of the last record.
    fn repair(
        &self,
        owner: &Manifest,
        repair: &Repair,
        record: Option<&[u8]>,
        done: Done<Result<(), AppendError>>,
    );

    /// Tells `disturbed` from now on when the store was out of reach, and may have changed.
    fn watch(&self, _disturbed: Disturbed) {}

    /// The page is about to be frozen: nothing stays under way that others would wait for. What is whole
    /// is committed by its owner, as when it is `leaving`, and the rest is given up.
    fn leave(&self, _is_owner: bool) {}

    /// Closes the connection. What is under way still ends.
    fn close(&self);
}

/// What a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Pieces of the base with this number.
    Base(u64),
    /// Records.
    Log,
}

/// Why a store cannot be used.
#[derive(Clone, Debug)]
pub(super) struct StoreError {
    /// `STORE_UNAVAILABLE`, `STORE_LOCKED`, `STORE_TOO_NEW`, `STORE_CORRUPT` or `FENCED`.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
}

impl StoreError {
    /// The store is missing or has refused.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self { code: "STORE_UNAVAILABLE", message: message.into() }
    }

    /// There is no memory for what is stored.
    pub(super) fn no_memory() -> Self {
        Self::unavailable(NO_MEMORY)
    }

    /// Whether that is what it is.
    pub(super) fn is_no_memory(&self) -> bool {
        self.message == NO_MEMORY
    }

    /// What is stored cannot be understood.
    pub(super) fn corrupt(message: impl Into<String>) -> Self {
        Self { code: CORRUPT, message: message.into() }
    }

    /// Somebody else owns it.
    pub(super) fn fenced() -> Self {
        Self { code: FENCED, message: "another context has taken over the store".to_owned() }
    }

    /// A newer program has written it.
    pub(super) fn too_new(message: impl Into<String>) -> Self {
        Self { code: "STORE_TOO_NEW", message: message.into() }
    }
}

const NO_MEMORY: &str = "out of memory";
/// The code of [`StoreError::corrupt`].
pub(super) const CORRUPT: &str = "STORE_CORRUPT";
/// The code of [`StoreError::fenced`].
pub(super) const FENCED: &str = "FENCED";

/// How an append ended without being stored.
#[derive(Clone, Debug)]
pub(super) enum AppendError {
    /// Another owner has put its manifest there.
    Fenced,
    /// What was stored is gone, for this reason.
    Lost(String),
    /// The transaction was aborted, for this reason.
    Failed(String),
}

/// Who wants to own the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant {
    /// Whether effects are to be recorded from now on.
    pub(super) append_only: bool,
    /// Unix milliseconds.
    pub(super) now_ms: i64,
    /// The store was emptied under its owner, who begins anew with this manifest.
    pub(super) anew: Option<Manifest>,
}

/// Who may write: whose epoch this is, or who has written this manifest.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) epoch: u64,
    pub(super) manifest: Manifest,
}

impl Owner {
    /// Whose manifest this is.
    pub(super) fn of(manifest: Manifest) -> Self {
        Self { epoch: manifest.epoch, manifest }
    }
}

/// Whether the owner may write, who finds `value` in the place of the manifest.
pub(super) fn admit(owner: Owner, value: &JsValue) -> Result<(), AppendError> {
    let Owner { epoch, manifest } = owner;
    let lost = |why: &str| Err(AppendError::Lost(why.to_owned()));
    if value.is_undefined() {
        return lost("the store was emptied");
    }
    let bytes = to_bytes(value).unwrap_or_default();
    match Manifest::decode(&bytes) {
        Ok(found) if found.created_ms != manifest.created_ms => Err(AppendError::Fenced),
        Ok(found) if found.epoch < epoch => lost("the store is one of an earlier time"),
        Ok(found) if found.epoch == epoch || found == manifest => Ok(()),
        Ok(_) | Err(FrameError::TooNew { .. }) => Err(AppendError::Fenced),
        Err(_) => lost("the manifest in the store is damaged"),
    }
}

impl Claimant {
    /// What the new owner claims: `found` is the manifest in the store, `last` the offset of the last
    /// record.
    pub(super) fn raise(
        self,
        found: Option<&[u8]>,
        last: Option<u64>,
    ) -> Result<Claim, StoreError> {
        let claim = |manifest, found| Claim { manifest, last, found, refused: None };
        if let Some(manifest) = self.anew {
            return match found.map(Manifest::decode) {
                Some(Ok(found))
                    if found.created_ms != manifest.created_ms || found.epoch > manifest.epoch =>
                {
                    Err(StoreError::fenced())
                }
                Some(Err(error @ FrameError::TooNew { .. })) => {
                    Err(StoreError::too_new(error.to_string()))
                }
                _ => Ok(claim(manifest, None)),
            };
        }
        let found = match found.map(decode).transpose()? {
            None if last.is_some() => {
                return Err(StoreError::corrupt("there are records, but no manifest"));
            }
            found => found,
        };
        // Tabs may still have copies of a store that was here before: those are not of this stream.
        let epoch = u64::try_from(self.now_ms).unwrap_or_default();
        let lineage = Lineage::default().succeeded(epoch, 0);
        let fresh = Manifest { epoch, lineage, created_ms: self.now_ms, ..Manifest::default() };
        let mut manifest = found.unwrap_or(fresh);
        manifest.epoch = manifest.epoch.saturating_add(1);
        manifest.recording |= self.append_only;
        Ok(claim(manifest, found))
    }
}

/// What a manifest says.
fn decode(bytes: &[u8]) -> Result<Manifest, StoreError> {
    Manifest::decode(bytes).map_err(|error| match error {
        FrameError::TooNew { .. } => StoreError::too_new(error.to_string()),
        _ => StoreError::corrupt(format!("the manifest: {error}")),
    })
}

/// What there is in a store, whose manifest this is.
pub(super) fn inspected(value: &JsValue) -> Result<Claim, StoreError> {
    match optional_bytes(value)? {
        Some(bytes) => {
            Ok(Claim { manifest: decode(&bytes)?, last: None, found: None, refused: None })
        }
        None => Err(StoreError::corrupt("there is no manifest")),
    }
}

/// What is in a store.
#[derive(Clone)]
pub(super) struct Claim {
    /// The manifest, as it now is there.
    pub(super) manifest: Manifest,
    /// The offset of the last record.
    pub(super) last: Option<u64>,
    /// The manifest that was there.
    pub(super) found: Option<Manifest>,
    /// Why the store could not be claimed, but only read: `manifest` is the one that was there.
    pub(super) refused: Option<String>,
}

impl Claim {
    /// The store did not take the manifest, for this reason. What is in it can be read all the same.
    pub(super) fn refuse(self, reason: String) -> Result<Self, StoreError> {
        match self.found {
            Some(manifest) => Ok(Self { manifest, refused: Some(reason), ..self }),
            None => Err(StoreError::unavailable(reason)),
        }
    }
}

/// Bytes in JavaScript's memory. Here nothing is copied: there may be no memory for that.
pub(super) fn joined([header, payload]: [&[u8]; 2]) -> Uint8Array {
    let middle = header.len() as u32;
    let whole = Uint8Array::new_with_length(middle + payload.len() as u32);
    whole.subarray(0, middle).copy_from(header);
    whole.subarray(middle, whole.length()).copy_from(payload);
    whole
}

/// A frame that is not in the module's memory yet.
pub(super) struct Stored(pub(super) JsValue);

impl Stored {
    /// Its length in bytes, if it is one.
    pub(super) fn len(&self) -> usize {
        self.0.dyn_ref::<Uint8Array>().map_or(0, |bytes| bytes.length() as usize)
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        to_bytes(&self.0)
    }
}

/// Copies a `Uint8Array`.
pub(super) fn to_bytes(value: &JsValue) -> Result<Vec<u8>, StoreError> {
    let Some(array) = value.dyn_ref::<Uint8Array>() else {
        return Err(StoreError::corrupt("a value in the store is not a Uint8Array"));
    };
    let mut bytes = Vec::new();
    let len = array.length() as usize;
    if bytes.try_reserve_exact(len).is_err() {
        return Err(StoreError::unavailable("out of memory"));
    }
    bytes.resize(len, 0);
    array.copy_to(&mut bytes);
    Ok(bytes)
}

/// Copies a `Uint8Array`, if there is one.
pub(super) fn optional_bytes(value: &JsValue) -> Result<Option<Vec<u8>>, StoreError> {
    if value.is_undefined() { Ok(None) } else { to_bytes(value).map(Some) }
}

/// What JavaScript threw, as `Name: message`.
pub(super) fn reason(value: &JsValue) -> String {
    let text = |name: &str| Reflect::get(value, &name.into()).ok().and_then(|v| v.as_string());
    let (name, message) = (text("name"), text("message").filter(|text| !text.is_empty()));
    match (name, message) {
        // That says nothing.
        (Some(name), Some(message)) if name == "Error" => message,
        (Some(name), Some(message)) => format!("{name}: {message}"),
        (Some(name), None) => name,
        (None, Some(message)) => message,
        (None, None) => value.as_string().unwrap_or_else(|| "unknown error".to_owned()),
    }
}
