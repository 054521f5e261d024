//! # Hugging Face checkpoints
//!
//! The mixture of one layer from a Mixtral or OLMoE checkpoint in safetensors, its experts stacked, and back to the same bytes.
//!
//! Source: names and layouts as Hugging Face's transformers reads them (`models/mixtral`, `models/olmoe`,
//! `conversion_mapping.py`); Jiang et al., "Mixtral of Experts" (arXiv 2401.04088); Muennighoff et al., "OLMoE" (arXiv 2409.02060).

use std::path::Path;

use burn::config::Config;
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};

use regimen_tensor::Watch;

use super::tensor_file::{Stored, TensorFiles, write};
use super::transpose::Part;
use crate::dispatch::Dispatch;
use crate::error::MoeError;
use crate::{
    Activation, Experts, Moe, MoeConfig, Result, Router, RouterConfig, SoftmaxRouterConfig,
};

/// Whose names the tensors have. With `p = model.layers.{layer}`:
///
/// | tensor, PyTorch's `[out, in]` | `Mixtral` | `Olmoe` |
/// |---|---|---|
/// | router, `[experts, d_model]` | `{p}.block_sparse_moe.gate.weight` | `{p}.mlp.gate.weight` |
/// | expert `e`'s gated half, `[d_hidden, d_model]` | `{p}.block_sparse_moe.experts.{e}.w1.weight` | `{p}.mlp.experts.{e}.gate_proj.weight` |
/// | its other half, `[d_hidden, d_model]` | `{p}.block_sparse_moe.experts.{e}.w3.weight` | `{p}.mlp.experts.{e}.up_proj.weight` |
/// | its second map, `[d_model, d_hidden]` | `{p}.block_sparse_moe.experts.{e}.w2.weight` | `{p}.mlp.experts.{e}.down_proj.weight` |
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum HuggingFaceFamily {
    /// Mixtral: two experts a token, renormalised gates.
    Mixtral,
    /// OLMoE: eight experts a token, gates as the softmax gives them.
    Olmoe,
}

/// One layer's mixture of a checkpoint.
///
/// The experts are SwiGLU without biases; how many there are, and how wide, follows from the tensors. Types are kept: of a checkpoint in
/// bfloat16 the weights are bfloat16 on the device too. Only the layer's own tensors are read from the files.
///
/// ```no_run
/// # use burn::tensor::Device;
/// use regimen_moe::{HuggingFaceConfig, HuggingFaceFamily};
///
/// let layer = HuggingFaceConfig::new(HuggingFaceFamily::Olmoe, 3);
/// // A layer may begin in one shard and end in the next.
/// let shards = ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"];
/// let moe = layer.load(&shards, &Device::default())?;
/// layer.save(&moe, "layer-3.safetensors")?;
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
#[derive(Config, Debug)]
pub struct HuggingFaceConfig {
    /// Whose names the tensors have.
    pub family: HuggingFaceFamily,
    /// The layer, from 0.
    pub layer: usize,
    /// Experts of a token (`num_experts_per_tok` of the checkpoint's `config.json`), from 1 to the number of experts; if absent
    /// 2 for Mixtral and 8 for OLMoE.
    pub top_k: Option<usize>,
    /// Whether a token's gates sum to 1 (`norm_topk_prob` of `config.json`); if absent they do for Mixtral and do not for OLMoE.
    pub renormalise: Option<bool>,
    /// How tokens reach their experts.
    #[config(default = "Dispatch::Dropless")]
    pub dispatch: Dispatch,
}

/// The names of one layer's tensors.
struct Names {
    layer: String,
    maps: [&'static str; 3],
}

impl Names {
    fn router(&self) -> String {
        format!("{}.gate.weight", self.layer)
    }

    /// The gated half of the first map, its other half, and the second map.
    fn expert(&self, expert: usize) -> [String; 3] {
        let name = |map| format!("{}.experts.{expert}.{map}.weight", self.layer);
        self.maps.map(name)
    }
}

impl HuggingFaceConfig {
    /// The layer's mixture from the files of a checkpoint that hold it, in any order.
    ///
    /// # Errors
    /// Names the file that can't be read or is no safetensors, the tensor that is missing or has another shape or type, or the
    /// field that is out of range. All experts must have one type: float64, float32, float16 or bfloat16; the router may have another.
    pub fn load<P: AsRef<Path>>(&self, files: &[P], device: &Device) -> Result<Moe> {
        self.load_watched(files, device, &Watch::default())
    }

    /// As [`Self::load`]; `watch` hears of each expert that is read.
    ///
    /// # Errors
    /// As for [`Self::load`], and [`MoeError::Stopped`] where the watch stops it: there is no mixture then.
    pub fn load_watched<P: AsRef<Path>>(
        &self,
        files: &[P],
        device: &Device,
        watch: &Watch,
    ) -> Result<Moe> {
        let (files, names) = (TensorFiles::open(files)?, self.names());
        let router = names.router();
        let &[experts, model] = files.shape(&router)? else {
            let found = files.shape(&router)?;
            return Err(MoeError::tensor(&router, &found, "[experts, d_model]"));
        };
        let [first, ..] = names.expert(0);
        let shape = files.shape(&first)?;
        let Some(&hidden) = shape.first().filter(|hidden| **hidden > 0) else {
            let expected = format!("[d_hidden, {model}] with a hidden unit at least");
            return Err(MoeError::tensor(&first, &shape, expected));
        };
        let _span =
            tracing::info_span!("load", layer = self.layer, experts, model, hidden).entered();
        let further = names.expert(experts);
        if let Some(name) = further.iter().find(|name| files.has(name)) {
            let expected = format!("no more than the {experts} experts of `{router}`");
            return Err(MoeError::tensor(name, &"there", expected));
        }
        let softmax = SoftmaxRouterConfig::new().with_renormalise(Some(self.renormalised()));
        // Everything but the router's and the experts' weights, which the shell has in small.
        let mut moe = MoeConfig::new(model, 1, experts, self.top_k())
            .with_router(RouterConfig::Softmax(softmax))
            .with_dispatch(self.dispatch.clone())
            .init(device)?;
        let gate = files.read(&router, [experts, model], None)?;
        let part = Part {
            rows: model,
            columns: experts,
            from: 0,
            width: experts,
        };
        let mut weight = vec![0; gate.bytes.len()];
        part.write(&mut weight, &gate.bytes, gate.dtype.size());
        let weight = TensorData::from_bytes_vec(weight, [model, experts], gate.dtype);
        if let Router::Softmax(router) = &mut moe.router {
            router.weight = Param::from_tensor(Tensor::from_data(weight, (device, gate.dtype)));
        }
        moe.experts = experts_of(&files, &names, [experts, model, hidden], device, watch)?;
        Ok(moe)
    }

    /// Writes the layer's tensors, and no others, into a safetensors file of the checkpoint's names and types. Of a mixture
    /// that was loaded and not changed the tensors are the same bytes.
    ///
    /// # Errors
    /// If the mixture has what such a checkpoint can't hold (another router or nonlinearity, a selection bias, shared experts, biases,
    /// maps that are not gated), if its weights do not fit each other or can't be read, or the file can't be written.
    pub fn save(&self, moe: &Moe, file: impl AsRef<Path>) -> Result<()> {
        self.save_watched(moe, file, &Watch::default())
    }

    /// As [`Self::save`]; `watch` hears of each expert whose tensors are ready.
    ///
    /// # Errors
    /// As for [`Self::save`], and [`MoeError::Stopped`] where the watch stops it: nothing is written then.
    pub fn save_watched(&self, moe: &Moe, file: impl AsRef<Path>, watch: &Watch) -> Result<()> {
        moe.fit()?;
        let (names, experts) = (self.names(), &moe.experts);
        let Router::Softmax(router) = &moe.router else {
            return Err(unlike("router", "another", "softmax"));
        };
        let features = [
            (
                "router",
                "softmax with a selection bias",
                router.bias.is_some(),
            ),
            ("shared", "shared experts", moe.shared.is_some()),
            ("bias", "biases", experts.up_bias.is_some()),
            ("gated", "not gated", !experts.gated),
            (
                "activation",
                "another",
                experts.activation != Activation::Silu,
            ),
        ];
        if let Some((field, found, _)) = features.into_iter().find(|(.., there)| *there) {
            return Err(unlike(
                field,
                found,
                "a softmax router and SwiGLU experts alone",
            ));
        }
        let _span =
            tracing::info_span!("save", layer = self.layer, experts = experts.count()).entered();
        let gate = data("router.weight", router.weight.val())?;
        let [model, count] = router.weight.val().dims();
        let part = Part {
            rows: model,
            columns: count,
            from: 0,
            width: count,
        };
        let mut tensors = vec![(names.router(), transposed(part, &gate, 0))];
        let (up, down) = (
            data("up", experts.up.val())?,
            data("down", experts.down.val())?,
        );
        let hidden = experts.d_hidden();
        for expert in 0..experts.count() {
            let [first, second, third] = names.expert(expert);
            let [half, other, back] = parts(model, hidden);
            tensors.push((first, transposed(half, &up, expert)));
            tensors.push((second, transposed(other, &up, expert)));
            tensors.push((third, transposed(back, &down, expert)));
            let (done, total) = (expert + 1, experts.count());
            if !watch.goes_on("save", done, total) && done < total {
                return Err(MoeError::stopped("save", done, total));
            }
        }
        write(file.as_ref(), &tensors)
    }

    fn names(&self) -> Names {
        let (block, maps) = match self.family {
            HuggingFaceFamily::Mixtral => ("block_sparse_moe", ["w1", "w3", "w2"]),
            HuggingFaceFamily::Olmoe => ("mlp", ["gate_proj", "up_proj", "down_proj"]),
        };
        Names {
            layer: format!("model.layers.{}.{block}", self.layer),
            maps,
        }
    }

    fn top_k(&self) -> usize {
        self.top_k.unwrap_or(match self.family {
            HuggingFaceFamily::Mixtral => 2,
            HuggingFaceFamily::Olmoe => 8,
        })
    }

    fn renormalised(&self) -> bool {
        self.renormalise
            .unwrap_or(self.family == HuggingFaceFamily::Mixtral)
    }
}

/// Where an expert's three maps lie in the stacked weights: the halves of the first side by side.
fn parts(model: usize, hidden: usize) -> [Part; 3] {
    let half = |from| Part {
        rows: model,
        columns: hidden,
        from,
        width: 2 * hidden,
    };
    let back = Part {
        rows: hidden,
        columns: model,
        from: 0,
        width: model,
    };
    [half(0), half(hidden), back]
}

/// All experts' maps, stacked.
fn experts_of(
    files: &TensorFiles,
    names: &Names,
    [experts, model, hidden]: [usize; 3],
    device: &Device,
    watch: &Watch,
) -> Result<Experts> {
    let [half, other, back] = parts(model, hidden);
    let (mut up, mut down, mut dtype) = (Vec::new(), Vec::new(), None);
    for expert in 0..experts {
        let [first, second, third] = names.expert(expert);
        for (name, part, last) in [
            (first, half, false),
            (second, other, false),
            (third, back, true),
        ] {
            let Stored {
                dtype: found,
                bytes,
            } = files.read(&name, [part.columns, part.rows], dtype)?;
            dtype = Some(found);
            let (stacked, size) = if last {
                (&mut down, part.rows * part.width * found.size())
            } else {
                (&mut up, part.rows * part.width * found.size())
            };
            // The first map's second half finds the place that its first half has made.
            stacked.resize((expert + 1) * size, 0);
            part.write(&mut stacked[expert * size..], &bytes, found.size());
        }
        let done = expert + 1;
        if !watch.goes_on("load", done, experts) && done < experts {
            return Err(MoeError::stopped("load", done, experts));
        }
    }
    let dtype = dtype.unwrap_or(DType::F32);
    let param = |bytes, shape: [usize; 3]| {
        let data = TensorData::from_bytes_vec(bytes, shape, dtype);
        Param::from_tensor(Tensor::from_data(data, (device, dtype)))
    };
    Ok(Experts {
        up: param(up, [experts, model, 2 * hidden]),
        up_bias: None,
        down: param(down, [experts, hidden, model]),
        down_bias: None,
        activation: Activation::Silu,
        gated: true,
    })
}

fn data<const D: usize>(name: &'static str, tensor: Tensor<D>) -> Result<TensorData> {
    tensor.try_into_data().map_err(|reason| MoeError::Read {
        name,
        reason: reason.to_string(),
    })
}

/// A part of one expert's weights, `[out, in]`.
fn transposed(part: Part, stacked: &TensorData, expert: usize) -> TensorData {
    let (dtype, bytes) = (stacked.dtype(), stacked.as_bytes());
    let size = part.rows * part.width * dtype.size();
    let bytes = part.read(&bytes[expert * size..][..size], dtype.size());
    TensorData::from_bytes_vec(bytes, [part.columns, part.rows], dtype)
}

fn unlike(field: &'static str, found: &str, allowed: &str) -> MoeError {
    MoeError::range(field, found, allowed)
}
