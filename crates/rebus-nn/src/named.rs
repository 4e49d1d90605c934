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

/// The path while a module is walked.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.to_string());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    pub(crate) fn name(&self) -> String {
        self.0.join(".")
    }
}

/// All weights of a network, each name behind `prefix`.
pub fn collect<M: Module>(module: &M, prefix: &str) -> NamedTensors {
    struct Collector<'a> {
        path: Path,
        prefix: &'a str,
        tensors: NamedTensors,
    }
    impl ModuleVisitor for Collector<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = format!("{}{}", self.prefix, self.path.name());
            self.tensors.insert(name, param.base().detach().into_data());
        }
    }
    let mut collector = Collector { path: Path::default(), prefix, tensors: NamedTensors::new() };
    module.visit(&mut collector);
    collector.tensors
}

/// Puts weights into a network, strictly: every weight of the network is among those whose name begins with
/// `prefix`, and nothing else is.
///
/// # Errors
/// Names or shapes that do not fit, all of them listed.
pub fn replace<M: Module>(module: M, prefix: &str, tensors: &NamedTensors) -> Result<M, Mismatch> {
    struct Replacer<'a> {
        path: Path,
        prefix: &'a str,
        tensors: &'a NamedTensors,
        mismatch: Mismatch,
        names: Vec<String>,
    }
    impl ModuleMapper for Replacer<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = format!("{}{}", self.prefix, self.path.name());
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
        path: Path::default(),
        prefix,
        tensors,
        mismatch: Mismatch { missing: vec![], unexpected: vec![], misshapen: vec![] },
        names: vec![],
    };
    let module = module.map(&mut replacer);
    let mut mismatch = replacer.mismatch;
    mismatch.unexpected = tensors
        .keys()
        .filter(|name| name.starts_with(prefix) && !replacer.names.contains(name))
        .cloned()
        .collect();
    let fits = mismatch.missing.is_empty() && mismatch.unexpected.is_empty() && mismatch.misshapen.is_empty();
    if fits { Ok(module) } else { Err(mismatch) }
}
