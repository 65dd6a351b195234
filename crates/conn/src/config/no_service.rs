//! Without service files: whoever names a service hears that.

use super::error::ConfigError;
use super::settings::Settings;
use super::surroundings::Surroundings;

pub(super) fn apply(_: &mut Settings, _: &str, _: &Surroundings) -> Result<(), ConfigError> {
    let why = "service files are not built in (cargo feature service-file)";
    Err(ConfigError::Unsupported { key: "service", why })
}
