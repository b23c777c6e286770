//! The module's allocator: the standard library's, which counts, and holds something in reserve.
//!
//! When linear memory cannot grow any more, a command in flight goes on with the reserve, and commands
//! that need memory are refused until there is a reserve again. There is one thread: the counters cost
//! no more than other variables.

use crate::engine::meter::Meter;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

/// The reserve is so many blocks: more than a command allocates that has not been looked at before it
/// runs. Nothing is written to them, so that they cost addresses and no memory.
const BLOCKS: usize = 32;
/// Just what 1024 entries of a database take, which lie together: once keys are deleted, there are
/// gaps of that size, whatever else lies between them.
const BLOCK: Layout = layout(60 << 10);
/// For a table that grows there is a larger block, as long as there is a gap for it.
const LARGE: Layout = layout(1 << 20);
/// What the standard library's allocator rounds sizes up to, what it adds, and the least it takes.
const GRANULE: usize = 8;
const HEADER: usize = 4;
const LEAST: usize = 16;
const PAGE: usize = 64 * 1024;
/// The most by which memory grows ahead of what is needed.
const AHEAD_MAX: usize = 8 << 20;

const fn layout(bytes: usize) -> Layout {
    match Layout::from_size_align(bytes, 8) {
        Ok(layout) => layout,
        Err(_) => Layout::new::<u64>(),
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// The blocks that are there; null after them.
static RESERVE: [AtomicPtr<u8>; BLOCKS] = [const { AtomicPtr::new(ptr::null_mut()) }; BLOCKS];
/// The larger block, or null.
static LARGE_RESERVE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// How many blocks are there.
static RESERVED: AtomicUsize = AtomicUsize::new(0);
/// So many pages linear memory had when it was last seen to have grown.
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// What engines in this module ask about memory.
pub(crate) const METER: Meter = Meter { used, peak, total, has_reserve };

fn used() -> usize {
    USED.load(Relaxed)
}

fn peak() -> usize {
    PEAK.load(Relaxed)
}

/// Linear memory only ever grows.
fn total() -> usize {
    core::arch::wasm32::memory_size(0) * PAGE
}

/// Makes the reserve whole if it is not; whether it is then.
fn has_reserve() -> bool {
    if core::arch::wasm32::memory_size(0) > SEEN.load(Relaxed) {
        grow_ahead();
    }
    RESERVED.load(Relaxed) == BLOCKS || refill()
}

/// Has linear memory grow by some more than it has just had to, so that it does so less often: each time
/// costs a host about a millisecond, in which it makes its view of the memory anew.
#[cold]
fn grow_ahead() {
    let bytes = (total() / 16).clamp(PAGE, AHEAD_MAX);
    let ahead = layout(bytes);
    // SAFETY: the layout has a size.
    let block = unsafe { System.alloc(ahead) };
    if !block.is_null() {
        // SAFETY: it has just been allocated with this layout.
        unsafe { System.dealloc(block, ahead) };
    }
    SEEN.store(core::arch::wasm32::memory_size(0), Relaxed);
}

#[cold]
fn refill() -> bool {
    while let Some(place) = RESERVE.get(RESERVED.load(Relaxed)) {
        // SAFETY: the layout has a size.
        let block = unsafe { System.alloc(BLOCK) };
        if block.is_null() {
            return false;
        }
        place.store(block, Relaxed);
        RESERVED.fetch_add(1, Relaxed);
    }
    if LARGE_RESERVE.load(Relaxed).is_null() {
        // SAFETY: the layout has a size.
        LARGE_RESERVE.store(unsafe { System.alloc(LARGE) }, Relaxed);
    }
    true
}

/// Gives something of the reserve back to the allocator, all if so many bytes are more than a block;
/// whether that may help to allocate them.
#[cold]
fn release(bytes: usize) -> bool {
    let is_large = bytes > BLOCK.size();
    if bytes > LARGE.size() {
        return false;
    }
    let large = LARGE_RESERVE.load(Relaxed);
    if is_large && !large.is_null() {
        LARGE_RESERVE.store(ptr::null_mut(), Relaxed);
        // SAFETY: it has been allocated with this layout, and was taken out of its place.
        unsafe { System.dealloc(large, LARGE) };
        // What is missing is missed from now on.
        shrink(RESERVED.load(Relaxed).saturating_sub(1));
        return true;
    }
    let before = RESERVED.load(Relaxed);
    shrink(if is_large { 0 } else { before.saturating_sub(1) });
    before > 0
}

/// Gives blocks back until so many are left.
fn shrink(kept: usize) {
    for place in RESERVE.iter().take(RESERVED.load(Relaxed)).skip(kept) {
        let block = place.swap(ptr::null_mut(), Relaxed);
        // SAFETY: it has been allocated with this layout, and was taken out of its place.
        unsafe { System.dealloc(block, BLOCK) };
    }
    RESERVED.store(kept, Relaxed);
}

/// What an allocation takes up.
fn rounded(bytes: usize) -> usize {
    (bytes.saturating_add(HEADER + GRANULE - 1) & !(GRANULE - 1)).max(LEAST)
}

fn count(allocated: usize, freed: usize) {
    let used = USED.load(Relaxed).wrapping_add(allocated).wrapping_sub(freed);
    USED.store(used, Relaxed);
    if used > PEAK.load(Relaxed) {
        PEAK.store(used, Relaxed);
    }
}

struct Counting;

impl Counting {
    /// Allocates with `allocate`, a second time if the reserve may help; answers what that answers.
    #[inline(always)]
    fn with_reserve(bytes: usize, freed: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
        let mut pointer = allocate();
        if pointer.is_null() && release(bytes) {
            pointer = allocate();
        }
        if !pointer.is_null() {
            count(rounded(bytes), freed);
        }
        pointer
    }
}

// SAFETY: every call is handed to `System`, which keeps the contract; what else is done touches no
// memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        Self::with_reserve(layout.size(), 0, || unsafe { System.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        Self::with_reserve(layout.size(), 0, || unsafe { System.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, rounded(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let freed = rounded(layout.size());
        // SAFETY: the caller keeps the contract of `realloc`; when it fails, nothing has changed.
        Self::with_reserve(bytes, freed, || unsafe { System.realloc(pointer, layout, bytes) })
    }
}
