//! Any configuration file: no panic, every mistake has a place in the text, and a file is refused exactly when it has one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette::base::settings::Severity;
use vedette::daemon::config;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (config, mistakes) = config::read(std::path::Path::new(""), text);
    let errors = mistakes.iter().filter(|m| m.severity == Severity::Error).count();
    assert_eq!(config.is_none(), errors > 0, "{mistakes:?}");
    for mistake in mistakes {
        let lines = text.matches('\n').count() + 1;
        assert!(mistake.line >= 1 && mistake.line <= lines && mistake.column >= 1, "{mistake}");
    }
});
