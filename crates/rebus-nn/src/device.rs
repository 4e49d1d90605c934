//! The devices that this build can compute on, by the names of the command line.

use burn::tensor::Device;

/// A device that is not there; the user must name another or build with its feature.
#[derive(Debug, thiserror::Error)]
#[error("there is no device named `{name}` in this build; it has: {}. {hint}", built().join(", "))]
pub struct NoDevice {
    name: String,
    hint: &'static str,
}

/// The kinds of device that this build has, most capable first.
pub fn built() -> Vec<&'static str> {
    let mut kinds = vec![];
    if cfg!(feature = "cuda") {
        kinds.push("cuda");
    }
    if cfg!(feature = "metal") {
        kinds.push("metal");
    }
    if cfg!(feature = "vulkan") {
        kinds.push("vulkan");
    }
    if cfg!(feature = "cpu") {
        kinds.push("cpu");
    }
    kinds
}

/// The device of a name: `cpu`, or a GPU's kind with its number, `vulkan:0`, `metal:0`, `cuda:0`; the number may be
/// left out.
///
/// # Errors
/// No such device in this build.
pub fn device(name: &str) -> Result<Device, NoDevice> {
    let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
    let hint = match kind {
        "vulkan" | "metal" | "cuda" => "GPUs are features: build with `--features vulkan`, `metal` or `cuda`",
        _ => "Name one of them, a GPU with its number as in `vulkan:0`",
    };
    let missing = || NoDevice { name: name.to_string(), hint };
    let _number: usize = number.parse().map_err(|_| missing())?;
    match kind {
        #[cfg(feature = "cpu")]
        "cpu" if name == "cpu" => Ok(Device::flex()),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(gpu(_number))),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(gpu(_number))),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(_number)),
        _ => Err(missing()),
    }
}

/// Number 0 is the best GPU that there is, whatever its kind; the others are numbered among the discrete ones.
#[cfg(any(feature = "vulkan", feature = "metal"))]
fn gpu(number: usize) -> burn::tensor::DeviceKind {
    match number {
        0 => burn::tensor::DeviceKind::DefaultDevice,
        number => burn::tensor::DeviceKind::DiscreteGpu(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_built_in_is_an_error_that_lists_those_that_are() {
        let error = device("abacus").unwrap_err().to_string();
        assert!(error.contains("`abacus`") && error.contains("cpu"), "{error}");
        assert!(device("cpu:x").is_err());
    }

    #[cfg(feature = "cpu")]
    #[test]
    fn the_cpu_is_a_device() {
        assert!(device("cpu").is_ok());
    }
}
