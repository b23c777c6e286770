//! RDB files of one [`Lodis`], in and out, for a few milliseconds at a time.

use super::facade::{Core, Lodis, micros};
use super::log::{PIECE_LEN, SNAPSHOT_STEP, js_error};
use super::timer::{LOAD_MS, TICK_MS, elapsed_ms};
use crate::engine::REDIS_VERSION;
use crate::engine::import::Import;
use crate::engine::rdb::file::{Cause, LoadError, Progress, Purpose};
use wasm_bindgen::prelude::*;

/// What is read of a file between two looks at the clock, in bytes.
const IMPORT_STEP: usize = 16 * 1024;

#[wasm_bindgen]
impl Lodis {
    /// Begins an RDB file of everything there is, as it is now; `aof` if it is to be the beginning of an
    /// AOF. False: another snapshot is under way, and this one must wait.
    #[wasm_bindgen(js_name = beginExport)]
    pub fn begin_export(&self, aof: bool, now_ms: f64) -> bool {
        let engine = &mut self.core.borrow_mut().engine;
        engine.set_time(micros(now_ms));
        let ctime = (engine.now_ms() / 1000).to_string();
        let used = (engine.meter.used)().to_string();
        let aux = [
            ("redis-ver", REDIS_VERSION),
            ("redis-bits", "32"),
            ("ctime", &ctime),
            ("used-mem", &used),
            ("aof-base", if aof { "1" } else { "0" }),
        ];
        engine.begin_snapshot(Purpose::Travel, &aux)
    }

    /// Goes on with the file; `takeExport` then has some more of it. Answers how much of it is
    /// written, 1 for all; -1 if it has been ended. Throws an `Error` with a `code` if there is no memory to
    /// go on.
    #[wasm_bindgen(js_name = stepExport)]
    pub fn step_export(&self) -> Result<f64, JsValue> {
        let engine = &mut self.core.borrow_mut().engine;
        if engine.snapshot_purpose() != Some(Purpose::Travel) {
            return Ok(-1.0);
        }
        let started = elapsed_ms();
        loop {
            if !engine.reserve_snapshot(SNAPSHOT_STEP) {
                return Err(js_error(
                    "OUT_OF_MEMORY",
                    "there is not enough memory to write a file",
                ));
            }
            if engine.step_snapshot(SNAPSHOT_STEP) {
                return Ok(1.0);
            }
            if engine.snapshot_len() >= PIECE_LEN || elapsed_ms() - started >= TICK_MS {
                let (saved, keys) = engine.snapshot_progress();
                return Ok((saved as f64 / (keys + 1) as f64).min(0.999));
            }
        }
    }

    /// The next bytes of the file.
    #[wasm_bindgen(js_name = takeExport)]
    pub fn take_export(&self) -> Vec<u8> {
        self.core.borrow_mut().engine.take_snapshot()
    }

    /// Ends the file, complete or not.
    #[wasm_bindgen(js_name = endExport)]
    pub fn end_export(&self) {
        let engine = &mut self.core.borrow_mut().engine;
        if engine.snapshot_purpose() == Some(Purpose::Travel) {
            engine.end_snapshot();
        }
    }

    /// Begins to load an RDB file, beside what there is.
    #[wasm_bindgen(js_name = beginImport)]
    pub fn begin_import(&self, now_ms: f64) {
        self.end_import();
        let core = &mut *self.core.borrow_mut();
        core.engine.set_time(micros(now_ms));
        core.import = Some(Import::begin(&mut core.engine));
    }

    /// Adds the first `bytes` bytes of the request buffer, 64 KiB at most, to the file. Throws an `Error`
    /// with a `code` if there is no memory for them.
    #[wasm_bindgen(js_name = pushImport)]
    pub fn push_import(&self, bytes: usize) -> Result<(), JsValue> {
        self.import(|core, import| {
            let bytes = core.request.get(..bytes).unwrap_or_default();
            import.push(&mut core.engine, bytes)
        })
    }

    /// Reads what was added; whether there is more to be read. Throws an `Error` with a `code` if the file
    /// cannot be loaded.
    #[wasm_bindgen(js_name = stepImport)]
    pub fn step_import(&self) -> Result<bool, JsValue> {
        let started = elapsed_ms();
        self.import(|core, import| {
            while import.step(&mut core.engine, IMPORT_STEP)? == Progress::Working {
                if elapsed_ms() - started >= LOAD_MS {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Puts the file, which has come to its end, in the place of everything there is. Answers its
    /// version, and how many keys were loaded, had expired, and were empty, and how many libraries of
    /// functions were left out. Throws an `Error` with a `code` if the file is not whole.
    #[wasm_bindgen(js_name = finishImport)]
    pub fn finish_import(&self, now_ms: f64) -> Result<Vec<f64>, JsValue> {
        let core = &mut *self.core.borrow_mut();
        core.engine.set_time(micros(now_ms));
        let Some(import) = core.import.take() else { return Err(ended()) };
        let loaded = import.finish(&mut core.engine).map_err(|error| refused(&error))?;
        let counts = [loaded.keys, loaded.expired, loaded.empty, loaded.functions];
        let version = f64::from(loaded.version);
        Ok(std::iter::once(version).chain(counts.map(|count| count as f64)).collect())
    }

    /// Gives up what was read of a file, if one is being loaded.
    #[wasm_bindgen(js_name = endImport)]
    pub fn end_import(&self) {
        let core = &mut *self.core.borrow_mut();
        if let Some(import) = core.import.take() {
            import.discard(&mut core.engine);
        }
    }
}

impl Lodis {
    /// Works on the file that is being loaded. If that fails, it is given up.
    fn import<T>(
        &self,
        work: impl FnOnce(&mut Core, &mut Import) -> Result<T, LoadError>,
    ) -> Result<T, JsValue> {
        let core = &mut *self.core.borrow_mut();
        let Some(mut import) = core.import.take() else { return Err(ended()) };
        match work(core, &mut import) {
            Ok(value) => {
                core.import = Some(import);
                Ok(value)
            }
            Err(error) => {
                import.discard(&mut core.engine);
                Err(refused(&error))
            }
        }
    }
}

fn ended() -> JsValue {
    js_error("RDB_CORRUPT", "no file is being loaded")
}

fn refused(error: &LoadError) -> JsValue {
    let code = match error.cause {
        Cause::NoMemory => "OUT_OF_MEMORY",
        Cause::Version(1..) => "RDB_TOO_NEW",
        Cause::Database(_) | Cause::Module | Cause::Functions => "RDB_UNSUPPORTED",
        _ => "RDB_CORRUPT",
    };
    js_error(code, &format!("the file cannot be loaded: {error}"))
}
