//! What rules have noted about a flow: `metadata` and `traffic`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use umbra_analyzers::events::FlowVariables;

use super::bytes::printable;
use super::head::some;

/// Bits whose names begin so are told in `traffic.id` and `traffic.label` instead.
const TRAFFIC: [&str; 2] = ["traffic/id/", "traffic/label/"];

/// Both objects, as far as there is anything in them.
pub(super) fn write_variables<M: SerializeMap>(
    variables: &FlowVariables,
    map: &mut M,
) -> Result<(), M::Error> {
    some(map, "traffic", Traffic::of(variables))?;
    some(map, "metadata", Metadata::of(variables))
}

/// The `traffic` object.
#[derive(Serialize)]
pub(super) struct Traffic<'v> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    id: Vec<&'v str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    label: Vec<&'v str>,
}

impl<'v> Traffic<'v> {
    pub(super) fn of(variables: &'v FlowVariables) -> Option<Self> {
        let [id, label] = TRAFFIC.map(|prefix| {
            variables.flowbits.iter().filter_map(|name| name.strip_prefix(prefix)).collect()
        });
        let traffic = Self { id, label };
        (!traffic.id.is_empty() || !traffic.label.is_empty()).then_some(traffic)
    }
}

/// The `metadata` object.
pub(super) struct Metadata<'v> {
    flowbits: Vec<&'v str>,
    variables: &'v FlowVariables,
}

impl<'v> Metadata<'v> {
    pub(super) fn of(variables: &'v FlowVariables) -> Option<Self> {
        let is_traffic = |name: &&str| TRAFFIC.iter().any(|prefix| name.starts_with(prefix));
        let names = variables.flowbits.iter().map(|name| &**name);
        let metadata =
            Self { flowbits: names.filter(|name| !is_traffic(name)).collect(), variables };
        let nothing = metadata.flowbits.is_empty()
            && variables.flowints.is_empty()
            && variables.flowvars.is_empty()
            && variables.pktvars.is_empty();
        (!nothing).then_some(metadata)
    }
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FlowVariables { flowints, flowvars, pktvars, .. } = self.variables;
        let mut map = serializer.serialize_map(None)?;
        if !self.flowbits.is_empty() {
            map.serialize_entry("flowbits", &self.flowbits)?;
        }
        if !flowints.is_empty() {
            let ints: Map<String, Value> =
                flowints.iter().map(|int| (int.name.to_string(), int.value.into())).collect();
            map.serialize_entry("flowints", &ints)?;
        }
        for (key, variables) in [("flowvars", flowvars), ("pktvars", pktvars)] {
            if !variables.is_empty() {
                // An object for each: names may come again.
                let object = |name: &str, value: &[u8]| json!({ (name): printable(value) });
                let list: Value =
                    variables.iter().map(|var| object(&var.name, &var.value)).collect();
                map.serialize_entry(key, &list)?;
            }
        }
        map.end()
    }
}
