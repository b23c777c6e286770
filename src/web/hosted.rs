//! What the process around an engine brings: settings, an RDB file, a configuration file.

use super::facade::{Lodis, micros};
use crate::engine::config::{DebugCommand, PARAMETERS, parameter};
use crate::engine::error::Error;
use crate::engine::host::Errand;
use wasm_bindgen::prelude::*;

/// The RDB file is to be written.
const WANTS_SAVE: u32 = 1;
/// The configuration file is to be written.
const WANTS_CONFIG: u32 = 2;

#[wasm_bindgen]
impl Lodis {
    /// Obeys a line of a configuration file before anything else is done; answers why it is refused. Words
    /// are separated by blanks, those of `rename-command` by a line feed.
    pub fn configure(&self, name: &str, words: &str) -> Option<String> {
        let engine = &mut self.core.borrow_mut().engine;
        let text = |error: Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
        let done = match (name, words.split_once('\n')) {
            ("user", _) => engine.add_user(words.as_bytes()).map_err(text),
            ("rename-command", Some((old, new))) => {
                engine.rename_command(old.as_bytes(), new.as_bytes()).map_err(text)
            }
            ("enable-debug-command", _) => DebugCommand::parse(words.as_bytes())
                .map(|allowed| engine.config.debug_command = allowed),
            _ => engine.config.configure(name, words),
        };
        done.err()
    }

    /// The value of a parameter that the engine knows.
    pub fn setting(&self, name: &str) -> Option<String> {
        let config = &self.core.borrow().engine.config;
        parameter(name.as_bytes()).map(|known| known.value(config))
    }

    /// Every parameter that the engine knows and its value, in turn; then `user` and a line of rules, of each
    /// user if there is another than `default` or that one was changed. A NUL comes after each.
    pub fn settings(&self) -> String {
        let config = &self.core.borrow().engine.config;
        let mut text = String::new();
        let mut add = |name: &str, value: &str| {
            [name, "\0", value, "\0"].iter().for_each(|part| text.push_str(part));
        };
        for known in PARAMETERS {
            add(known.name, &known.value(config));
        }
        for line in config.users() {
            add("user", &String::from_utf8_lossy(&line));
        }
        text
    }

    /// CONFIG GET answers this setting, which is the host's.
    #[wasm_bindgen(js_name = tellSetting)]
    pub fn tell_setting(&self, name: &str, value: &str) {
        self.core.borrow_mut().engine.host.set(name, value);
    }

    /// The host writes an RDB file when `errands` says so, and a configuration file, if `config_file` is the
    /// path of one.
    #[wasm_bindgen(js_name = attachHost)]
    pub fn attach_host(&self, saves: bool, config_file: String) {
        self.core.borrow_mut().engine.attach_host(saves, config_file);
    }

    /// What commands ask the host for: 1 for the RDB file, 2 for the configuration file.
    pub fn errands(&self) -> u32 {
        let host = &self.core.borrow().engine.host;
        let flag = |errand: Option<&Errand>, flag: u32| {
            if errand.is_some_and(Errand::is_running) { flag } else { 0 }
        };
        flag(host.rdb(), WANTS_SAVE) | flag(host.file(), WANTS_CONFIG)
    }

    /// How many changes there have been since the RDB file was written.
    pub fn changes(&self) -> f64 {
        self.core.borrow().engine.stats.changes as f64
    }

    /// What was loaded is in the RDB file.
    #[wasm_bindgen(js_name = forgetChanges)]
    pub fn forget_changes(&self) {
        self.core.borrow_mut().engine.stats.changes = 0;
    }

    /// The RDB file has been begun: `beginExport` has answered true.
    #[wasm_bindgen(js_name = beganSaving)]
    pub fn began_saving(&self) {
        self.core.borrow_mut().engine.began_saving();
    }

    /// The RDB file is written, or cannot be for this reason. Then sessions may have messages, and
    /// `attention` something to tell.
    pub fn saved(&self, error: Option<String>, now_ms: f64) {
        let engine = &mut self.core.borrow_mut().engine;
        engine.set_time(micros(now_ms));
        engine.saved(error);
    }

    /// The configuration file is written, or cannot be for this reason. Then sessions may have messages.
    #[wasm_bindgen(js_name = rewroteConfig)]
    pub fn rewrote_config(&self, error: Option<String>) {
        self.core.borrow_mut().engine.rewrote_config(error);
    }
}
