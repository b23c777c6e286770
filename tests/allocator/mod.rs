//! An allocator that counts, for tests of what memory is taken and given back.

// Every test binary that includes this uses its own part of it.
#![allow(dead_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what each thread has of it.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static FREES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is ending has no counters any more.
    let _ = ALLOCATED.try_with(|allocated| {
        allocated.set(allocated.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(allocated.get())));
    });
}

// SAFETY: every call is handed to `System` as it is; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        let _ = FREES.try_with(|frees| frees.set(frees.get() + 1));
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has.
pub fn allocated() -> isize {
    ALLOCATED.with(Cell::get)
}

/// How often this thread has freed something.
pub fn frees() -> usize {
    FREES.with(Cell::get)
}

/// Runs `f`; answers how many bytes more this thread had at a time than before.
pub fn peak<R>(f: impl FnOnce() -> R) -> (R, usize) {
    let before = allocated();
    PEAK.with(|peak| peak.set(before));
    let result = f();
    (result, usize::try_from(PEAK.with(Cell::get) - before).expect("it is no less"))
}
