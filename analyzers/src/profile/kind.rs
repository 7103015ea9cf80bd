//! The kinds of analysis and their names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of analysis. A profile is a named configuration of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileKind {
    /// Signatures.
    Ids,
    /// Learned normality.
    Anomaly,
    /// Bottlenecks.
    Performance,
    /// Mutated copies of the traffic against a copy of the appliance.
    Fuzzing,
}

impl ProfileKind {
    /// All kinds.
    pub const ALL: [ProfileKind; 4] =
        [ProfileKind::Ids, ProfileKind::Anomaly, ProfileKind::Performance, ProfileKind::Fuzzing];

    /// The word in manifests: `kind = "performance"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ProfileKind::Ids => "ids",
            ProfileKind::Anomaly => "anomaly",
            ProfileKind::Performance => "performance",
            ProfileKind::Fuzzing => "fuzzing",
        }
    }

    /// The id of the profile of this kind that exists without being configured.
    #[must_use]
    pub const fn standard_id(self) -> &'static str {
        match self {
            ProfileKind::Ids => "IDS_Signature_Scan",
            ProfileKind::Anomaly => "Anomaly_Detection",
            ProfileKind::Performance => "Performance_Profiling",
            ProfileKind::Fuzzing => "Fuzzing",
        }
    }

    /// The kind whose standard id this is.
    #[must_use]
    pub fn from_standard_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.standard_id() == id)
    }
}

impl fmt::Display for ProfileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{word}\" is no kind of profile; legal are \"ids\", \"anomaly\", \"performance\", \"fuzzing\""
)]
pub struct UnknownKind {
    /// What was given.
    pub word: String,
}

impl FromStr for ProfileKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownKind { word: word.to_owned() })
    }
}

/// A kind that is known but cannot be used yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "profiles of kind \"{kind}\" ({}) are not built yet; remove the profile, or use {}",
    kind.standard_id(), ProfileKind::Performance.standard_id()
)]
pub struct NotBuilt {
    /// Which kind.
    pub kind: ProfileKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ids_lead_back_to_their_kind() {
        for kind in ProfileKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(ProfileKind::from_standard_id(kind.standard_id()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("IDS".parse::<ProfileKind>().unwrap_err().to_string().contains("\"IDS\""));
    }
}
