//! A network's weights by name: the path of field names from its root, joined by dots.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};

/// Weights by name, as host arrays.
pub type NamedTensors = BTreeMap<String, TensorData>;

/// Names or shapes that do not fit a network; the file belongs to another network or release.
#[derive(Debug, thiserror::Error)]
#[error(
    "the weights do not fit the network{}{}{}",
    list("missing", missing),
    list("unexpected", unexpected),
    list("of another shape", misshapen)
)]
pub struct Mismatch {
    /// What the network has and the weights lack.
    pub missing: Vec<String>,
    /// What the weights have and the network lacks.
    pub unexpected: Vec<String>,
    /// Name, shape wanted, shape found.
    pub misshapen: Vec<String>,
}

fn list(what: &str, names: &[String]) -> String {
    match names.len() {
        0 => String::new(),
        n if n > 8 => format!("; {what}: {} and {} more", names[..8].join(", "), n - 8),
        _ => format!("; {what}: {}", names.join(", ")),
    }
}

/// Where a weight stands in a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The path of field names from the root, joined by dots.
    pub name: &'a str,
    /// The kind of module that holds it, such as `Struct:Linear`.
    pub holder: &'a str,
}

/// What is done with each weight of a network.
pub(crate) trait See {
    fn see<const D: usize>(&mut self, place: Place<'_>, param: &Param<Tensor<D>>);
}

/// What becomes of each weight of a network.
pub(crate) trait Change {
    fn change<const D: usize>(&mut self, place: Place<'_>, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Shows each weight, in the order of fields.
pub(crate) fn see<M: Module>(module: &M, with: &mut impl See) {
    module.visit(&mut Walk { path: vec![], with });
}

/// Changes each weight, in the order of fields.
pub(crate) fn change<M: Module>(module: M, with: &mut impl Change) -> M {
    module.map(&mut Walk { path: vec![], with })
}

/// A way through a network: the names and holders of the fields down to here.
struct Walk<'a, W> {
    path: Vec<(String, String)>,
    with: &'a mut W,
}

impl<W> Walk<'_, W> {
    fn enter(&mut self, name: &str, holder: &str) {
        self.path.push((name.to_string(), holder.to_string()));
    }

    fn name(&self) -> String {
        self.path.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    fn holder(&self) -> &str {
        self.path.last().map_or("", |(_, holder)| holder)
    }
}

impl<W: See> ModuleVisitor for Walk<'_, W> {
    fn enter_module(&mut self, name: &str, holder: &str) {
        self.enter(name, holder);
    }

    fn exit_module(&mut self, _name: &str, _holder: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, holder) = (self.name(), self.holder().to_string());
        self.with.see(Place { name: &name, holder: &holder }, param);
    }
}

impl<W: Change> ModuleMapper for Walk<'_, W> {
    fn enter_module(&mut self, name: &str, holder: &str) {
        self.enter(name, holder);
    }

    fn exit_module(&mut self, _name: &str, _holder: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (name, holder) = (self.name(), self.holder().to_string());
        self.with.change(Place { name: &name, holder: &holder }, param)
    }
}

/// All weights of a network, each name behind `prefix`.
pub fn collect<M: Module>(module: &M, prefix: &str) -> NamedTensors {
    struct Collector<'a> {
        prefix: &'a str,
        tensors: NamedTensors,
    }
    impl See for Collector<'_> {
        fn see<const D: usize>(&mut self, place: Place<'_>, param: &Param<Tensor<D>>) {
            let name = format!("{}{}", self.prefix, place.name);
            self.tensors.insert(name, param.base().detach().into_data());
        }
    }
    let mut collector = Collector { prefix, tensors: NamedTensors::new() };
    see(module, &mut collector);
    collector.tensors
}

/// Puts weights into a network, strictly: every weight of the network is among those whose name begins with
/// `prefix`, and nothing else is.
///
/// # Errors
/// Names or shapes that do not fit, all of them listed.
pub fn replace<M: Module>(module: M, prefix: &str, tensors: &NamedTensors) -> Result<M, Mismatch> {
    struct Replacer<'a> {
        prefix: &'a str,
        tensors: &'a NamedTensors,
        mismatch: Mismatch,
        names: Vec<String>,
    }
    impl Change for Replacer<'_> {
        fn change<const D: usize>(&mut self, place: Place<'_>, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = format!("{}{}", self.prefix, place.name);
            let Some(data) = self.tensors.get(&name) else {
                self.mismatch.missing.push(name);
                return param;
            };
            let wanted = param.lazy_shape();
            if data.shape()[..] != wanted[..] {
                let line = format!("{name} (wanted {:?}, found {:?})", &wanted[..], &data.shape()[..]);
                self.mismatch.misshapen.push(line);
                self.names.push(name);
                return param;
            }
            self.names.push(name);
            let tracked = param.val().is_require_grad();
            param.map(|old| {
                let device = old.device();
                Tensor::from_data(data.clone().convert::<f32>(), &device).set_require_grad(tracked)
            })
        }
    }
    let mut replacer = Replacer {
        prefix,
        tensors,
        mismatch: Mismatch { missing: vec![], unexpected: vec![], misshapen: vec![] },
        names: vec![],
    };
    let module = change(module, &mut replacer);
    let mut mismatch = replacer.mismatch;
    mismatch.unexpected = tensors
        .keys()
        .filter(|name| name.starts_with(prefix) && !replacer.names.contains(name))
        .cloned()
        .collect();
    let fits = mismatch.missing.is_empty() && mismatch.unexpected.is_empty() && mismatch.misshapen.is_empty();
    if fits { Ok(module) } else { Err(mismatch) }
}
