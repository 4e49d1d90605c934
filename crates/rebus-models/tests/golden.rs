//! Every network against the same network in PyTorch. The scripts that made the files are in `tests/golden/` at the
//! repository's root, one of the same name each; they say what is recorded.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is the test that fails")]

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Int, Tensor, TensorData},
};
use rebus_data::{MelConfig, Sounds};
use rebus_models::{
    autoencoder::{Autoencoder, AutoencoderConfig, Rebuilt, Weights},
    classifier::cross_entropy,
    cyclegan::{Both, CycleGanConfig, CycleGanObjectiveConfig, Judges, Round},
    dual::{DualConfig, DualLoss, DualNetwork, Hearing, Pairs, contrastive_loss},
    flow::{FlowConfig, FlowExample, FlowTransformer, FlowUNet, Moment, TransformerConfig, VelocityField},
    gan::{
        PatchDiscriminator,
        augment::{Augmentation, Change},
        classic::{self, ClassicConfig, Preset},
        loss::{GeneratorLoss, PatchLoss},
        modern::{self, Drawn, Judged, ModernConfig, ModernObjectiveConfig},
    },
    modality::TextTokens,
    picture::{Eye, PictureConfig, PictureTower},
    pix2pix::{Pix2PixConfig, Pix2PixObjectiveConfig, Translated, UNet},
    reader::Said,
    sound::{Heard, SoundTowerConfig},
    text::{TextConfig, TextEncoder},
    vae::{VaeBound, VaeConfig, VaeExample, VaeNetwork},
    weights,
};
use rebus_nn::{
    Init, Statistics,
    named::{self, NamedTensors},
};

/// The largest difference, in parts of the largest number of what is compared.
const TOLERANCE: f64 = 1e-4;

struct Golden {
    tensors: NamedTensors,
    device: Device,
    /// The largest error so far, and of what.
    worst: (f64, String),
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let tensors = weights::parse(&std::fs::read(path).unwrap()).unwrap();
        Self { tensors, device: Device::flex().autodiff(), worst: (0.0, String::new()) }
    }

    fn data(&self, name: &str) -> &TensorData {
        self.tensors.get(name).unwrap_or_else(|| panic!("the file has no `{name}`"))
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        Tensor::from_data(self.data(name).clone(), &self.device)
    }

    fn text(&self) -> TextTokens {
        TextTokens {
            ids: Tensor::<2, Int>::from_data(self.data("ids").clone(), &self.device),
            mask: self.tensor::<2>("mask").bool(),
        }
    }

    /// A network with the file's weights behind a prefix.
    fn fill<M: Module>(&self, module: M, prefix: &str) -> M {
        named::replace(module, &format!("weights.{prefix}"), &self.tensors).unwrap()
    }

    fn check<const D: usize>(&mut self, name: &str, found: Tensor<D>) {
        let found = found.into_data();
        let wanted = self.data(name).clone();
        assert_eq!(found.shape(), wanted.shape(), "{name}");
        let (found, wanted): (Vec<f32>, Vec<f32>) = (found.iter().collect(), wanted.iter().collect());
        let scale = wanted.iter().fold(1e-12, |most: f64, value| most.max(f64::from(value.abs())));
        for (found, wanted) in found.iter().zip(&wanted) {
            self.compare(name, f64::from(*found), f64::from(*wanted), scale);
        }
    }

    fn compare(&mut self, name: &str, found: f64, wanted: f64, scale: f64) {
        let error = (found - wanted).abs() / scale;
        assert!(error <= TOLERANCE, "{name}: {found}, but the reference has {wanted}: off by {error:.1e}");
        if error > self.worst.0 {
            self.worst = (error, name.to_string());
        }
    }

    /// A loss and its gradients by a network's weights, which are recorded as a product with a fixed vector and a norm.
    fn check_step<M: Module>(&mut self, step: &str, loss: Tensor<1>, module: &M, prefix: &str) {
        self.check(&format!("{step}.loss"), loss.clone());
        let mut gradients = GradientsParams::from_grads(loss.backward(), module);
        let mut visitor = Gradients { path: vec![], gradients: &mut gradients, found: vec![] };
        module.visit(&mut visitor);
        let found = visitor.found;
        let names =
            found.iter().map(|(name, _)| format!("{step}.gradient.{prefix}{name}")).collect::<Vec<_>>();
        let recorded = self.tensors.keys().filter(|name| name.starts_with(&format!("{step}.gradient.")));
        let missed: Vec<_> = recorded.filter(|name| !names.contains(name)).collect();
        assert!(missed.is_empty(), "no gradient for {missed:?}");
        for (name, (_, gradient)) in names.iter().zip(found) {
            let probe = |i: usize| (0.7 * i as f64 + 0.3).sin();
            let product: f64 = gradient.iter().enumerate().map(|(i, g)| f64::from(*g) * probe(i)).sum();
            let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let wanted: Vec<f64> = self.data(name).iter::<f32>().map(f64::from).collect();
            // A gradient that is zero but for rounding is measured against the others.
            let scale = wanted[1].max(1e-3);
            self.compare(name, product, wanted[0], scale);
            self.compare(name, norm, wanted[1], scale);
        }
    }

    fn report(&self, name: &str) {
        println!("{name}: largest relative error {:.1e}, of {}", self.worst.0, self.worst.1);
    }
}

struct Gradients<'a> {
    path: Vec<String>,
    gradients: &'a mut GradientsParams,
    found: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.found.push((self.path.join("."), gradient.into_data().iter::<f32>().collect()));
        }
    }
}

const TEXT: TextConfig = TextConfig { width: 8, layers: 1, heads: 2, context: 6, vocabulary: 20 };

#[test]
fn the_text_encoder() {
    let mut golden = Golden::read("text_encoder");
    let config = TextConfig { layers: 2, ..TEXT };
    let encoder = golden.fill(TextEncoder::new(&config, &mut Init::empty(&golden.device)), "");
    let text = encoder.forward(golden.text());
    golden.check("sequence", text.sequence.clone());
    golden.check("pooled", text.pooled.clone());
    golden.check("counts", text.mask.float());
    let loss = (text.sequence * golden.tensor("sequence_weights")).sum()
        + (text.pooled * golden.tensor("pooled_weights")).sum();
    golden.check_step("step", loss, &encoder, "");
    golden.report("text encoder");
}

#[test]
fn the_autoencoder() {
    let mut golden = Golden::read("autoencoder");
    let config =
        AutoencoderConfig { latent_channels: 3, patch: 2, widths: vec![8, 12], blocks: 1, groups: 4 };
    let init = &mut Init::empty(&golden.device);
    let network = golden.fill(Autoencoder::new(&config, 3, init), "network.");
    let discriminator = golden.fill(PatchDiscriminator::new(&[8, 16], 3, init), "discriminator.");
    let tower = PictureConfig { widths: vec![8, 12], blocks: 2, groups: 4 };
    let eye = golden.fill(PictureTower::new(&tower, 3, 1, init), "eye.");
    let pictures = golden.tensor::<4>("pictures");
    golden.check("encoded", network.encode(pictures.clone()));
    let rebuilt = Rebuilt::of(&network, Some(&Eye::new(eye, 2)), &pictures, golden.tensor("noise"));
    golden.check("said", rebuilt.said.clone());
    golden.check("rebuilt", rebuilt.pictures.clone());
    golden.check("divergence", rebuilt.divergence.clone());
    golden.check("seen", rebuilt.perceptual.clone().unwrap());
    let logits = discriminator.forward(rebuilt.pictures.clone());
    golden.check("logits", logits.clone());
    let weights = Weights { kl: 0.2, perceptual: 0.5, adversarial: 0.3 };
    golden.check_step("step", rebuilt.loss(Some(logits), weights), &network, "network.");
    let judge = |pictures: Tensor<4>| discriminator.forward(pictures.detach());
    let loss = PatchLoss::Hinge.judge(judge(pictures), judge(rebuilt.pictures));
    golden.check_step("judged", loss, &discriminator, "discriminator.");
    golden.report("autoencoder");
}

#[test]
fn the_u_net_of_pix2pix() {
    let mut golden = Golden::read("pix2pix");
    let config = Pix2PixConfig { widths: vec![8, 16, 24], full_width: 8 };
    let init = &mut Init::empty(&golden.device);
    let network = golden.fill(UNet::new(&config, 3, init), "network.");
    let discriminator = golden.fill(PatchDiscriminator::new(&[8, 16], 6, init), "discriminator.");
    let pairs = Translated::of(&network, golden.tensor("source"), golden.tensor("wanted"));
    golden.check("made", pairs.made.clone());
    let logits = discriminator.forward(Translated::beside(pairs.source.clone(), pairs.made.clone()));
    golden.check("logits", logits.clone());
    let objective = Pix2PixObjectiveConfig { absolute_weight: 10.0, ..Pix2PixObjectiveConfig::default() };
    golden.check_step("step", pairs.loss(Some(logits), &objective), &network, "network.");
    let judge = |picture: Tensor<4>| {
        discriminator.forward(Translated::beside(pairs.source.clone(), picture.detach()))
    };
    let loss = PatchLoss::Logistic.judge(judge(pairs.wanted.clone()), judge(pairs.made.clone()));
    golden.check_step("judged", loss, &discriminator, "discriminator.");
    golden.report("pix2pix");
}

#[test]
fn a_round_of_cyclegan() {
    let mut golden = Golden::read("cyclegan");
    let config = CycleGanConfig { width: 4, blocks: 2 };
    let init = &mut Init::empty(&golden.device);
    let network = golden.fill(Both::new(&config, 3, init), "network.");
    let judges = golden.fill(Judges::new(&[8, 16], 3, init), "discriminator.");
    let Both { there, back } = &network;
    let (source, picture) = (golden.tensor::<4>("source"), golden.tensor::<4>("picture"));
    let sources = Round::of(source.clone(), there, back);
    let pictures = Round::of(picture.clone(), back, there);
    golden.check("as_picture", sources.made.clone());
    golden.check("as_source", pictures.made.clone());
    let objective = CycleGanObjectiveConfig::default();
    let loss = sources.loss(judges.pictures.forward(sources.made.clone()), &objective)
        + pictures.loss(judges.sources.forward(pictures.made.clone()), &objective);
    golden.check_step("step", loss, &network, "network.");
    let judged = |judge: &PatchDiscriminator, real: Tensor<4>, made: Tensor<4>| {
        objective.loss.judge(judge.forward(real), judge.forward(made.detach()))
    };
    let loss =
        judged(&judges.sources, source, pictures.made) + judged(&judges.pictures, picture, sources.made);
    golden.check_step("judged", loss, &judges, "discriminator.");
    golden.report("cyclegan");
}

#[test]
fn the_variational_autoencoder() {
    let mut golden = Golden::read("vae");
    let config = VaeConfig {
        latent_channels: 3,
        widths: vec![8, 12],
        blocks: 1,
        groups: 4,
        condition_width: 10,
        prior_blocks: 1,
        prior_heads: 2,
        text: TEXT,
        ..VaeConfig::default()
    };
    let network = golden.fill(VaeNetwork::new(&config, [3, 8, 8], &mut Init::empty(&golden.device)), "");
    let example = VaeExample {
        pictures: golden.tensor("pictures"),
        said: Said::Tokens(golden.text()),
        noise: golden.tensor("noise"),
    };
    let text = network.text.as_ref().unwrap().forward(golden.text());
    let condition = network.condition(&text);
    let posterior = network.posterior(example.pictures.clone(), &condition);
    golden.check("prior", network.prior(&text, &condition).mean);
    golden.check("posterior", posterior.mean.clone());
    golden.check("said", network.decode(posterior.sample(example.noise.clone()), &condition));
    let bound = VaeBound::of(&network, &example, 0.7).unwrap();
    golden.check("divergence", bound.divergence);
    let loss = (bound.reconstruction + bound.charged * 0.6) / (3.0 * 64.0);
    golden.check_step("step", loss, &network, "");
    golden.report("vae");
}

fn flow<N: VelocityField>(file: &str, transformer: Option<TransformerConfig>, from_source: bool) {
    let mut golden = Golden::read(file);
    let config = FlowConfig {
        patch: 2,
        widths: vec![8, 16],
        blocks: 2,
        attention_from: 1,
        head_width: 8,
        groups: 4,
        condition_width: 12,
        text: TEXT,
        transformer,
        from_source,
        ..FlowConfig::default()
    };
    let network = golden.fill(N::new(&config, 3, &mut Init::empty(&golden.device)), "");
    let example = FlowExample {
        x_t: golden.tensor("x_t"),
        velocity: golden.tensor("velocity"),
        times: golden.tensor("times"),
        pictures: golden.tensor("pictures"),
        source: from_source.then(|| golden.tensor("source")),
        said: Said::Tokens(golden.text()),
    };
    let text = network.text().unwrap().forward(golden.text());
    let shown =
        Tensor::cat([Some(example.x_t.clone()), example.source.clone()].into_iter().flatten().collect(), 1);
    golden.check("predicted", network.forward(shown, Moment::at(example.times.clone()), &text));
    let (velocity, pair) = example.losses(&network, 0.5).unwrap();
    golden.check_step("step", velocity + pair.unwrap() * 0.5, &network, "");
    golden.report(file);
}

#[test]
fn the_flow() {
    flow::<FlowUNet>("flow", None, false);
}

#[test]
fn the_flow_that_is_shown_a_source() {
    flow::<FlowUNet>("flow_from_source", None, true);
}

#[test]
fn the_flows_transformer() {
    let sizes = TransformerConfig { width: 16, blocks: 2, head_width: 8 };
    flow::<FlowTransformer>("flow_transformer", Some(sizes), false);
}

#[test]
fn the_two_towers() {
    let mut golden = Golden::read("dual");
    let picture = PictureConfig { widths: vec![8, 12], blocks: 2, groups: 4 };
    let config = DualConfig { width: 10, picture: Some(picture), text: Some(TEXT), sound: None };
    let network = golden.fill(DualNetwork::new(&config, 3, &mut Init::empty(&golden.device)), "");
    let (scale, bias) = (network.scale.clone().unwrap(), network.bias.clone().unwrap());
    for (name, loss) in [("sigmoid", DualLoss::Sigmoid), ("softmax", DualLoss::Softmax)] {
        let pictures = network.pictures(golden.tensor("pictures")).unwrap();
        let texts = network.texts(golden.text()).unwrap();
        golden.check("of_pictures", pictures.clone());
        golden.check("of_texts", texts.clone());
        let pairs = Pairs { pictures, texts, ignored: golden.tensor("ignored") };
        let loss = contrastive_loss(pairs, scale.val(), bias.val(), loss);
        golden.check_step(name, loss, &network, "");
    }
    golden.report("two towers");
}

#[test]
fn the_tower_of_sounds() {
    let mut golden = Golden::read("hearing");
    let mel = MelConfig { sample_rate: 1000, n_fft: 16, hop_length: 16, n_mels: 5, seconds: 0.25 };
    assert_eq!(mel.frames(), 16);
    let config = SoundTowerConfig { width: 8, layers: 2, heads: 2, mel };
    let network = golden.fill(Hearing::new(&config, 10, &mut Init::empty(&golden.device)), "");
    let data = golden.data("mel").iter::<f32>().collect();
    let sounds = Sounds { shape: [3, 5, 16], data, lengths: vec![16, 9, 3] };
    let heard = network.sounds(Heard::new(&sounds, &golden.device));
    golden.check("sounds", heard.clone());
    let loss = |others: Tensor<2>| {
        let ignored = Tensor::zeros([3, 3], &golden.device);
        let pairs = Pairs { pictures: heard.clone(), texts: others, ignored };
        contrastive_loss(pairs, network.scale.val(), network.bias.val(), DualLoss::Sigmoid)
    };
    let loss = loss(golden.tensor("words")) + loss(golden.tensor("pictures")) * 0.5;
    golden.check_step("step", loss, &network, "");
    golden.report("tower of sounds");
}

#[test]
fn the_classifier() {
    let mut golden = Golden::read("classifier");
    let config = PictureConfig { widths: vec![8, 12], blocks: 2, groups: 4 };
    let network = golden.fill(PictureTower::new(&config, 3, 5, &mut Init::empty(&golden.device)), "network.");
    let logits = network.forward(golden.tensor("pictures"));
    golden.check("logits", logits.clone());
    let classes = Tensor::<2, Int>::from_data(golden.data("classes").clone(), &golden.device);
    let loss = cross_entropy(logits, classes, golden.tensor("counts"), 0.1);
    golden.check_step("step", loss, &network, "network.");
    golden.report("classifier");
}

fn classic(file: &str, preset: Preset, side: usize) {
    let mut golden = Golden::read(file);
    let shape = [3, side, side];
    let config = ClassicConfig { preset, noise_width: 5, hidden: vec![6, 7, 8], channels: 4 };
    config.validate(shape).unwrap();
    let mut init = Init::empty(&golden.device);
    let generator = golden.fill(classic::Generator::new(&config, shape, &mut init), "generator.");
    let discriminator = golden.fill(classic::Discriminator::new(&config, shape, &mut init), "discriminator.");
    golden.check("drawn", generator.draw(golden.tensor("noise")));

    let mut judge = discriminator.clone();
    let (real, fake) = (golden.tensor::<4>("real"), golden.tensor::<4>("fake"));
    golden.check("judged_real", judge.forward(real.clone(), Statistics::Batch));
    golden.check("judged_fake", judge.forward(fake.clone(), Statistics::Batch));
    check_averages(&mut golden, "discriminator", &judge);
    let loss = classic::discriminator_loss(&mut discriminator.clone(), real, fake);
    golden.check_step("discriminator", loss, &discriminator, "discriminator.");

    let judge = discriminator.no_grad();
    for (step, kind) in
        [("minimax", GeneratorLoss::Minimax), ("non_saturating", GeneratorLoss::NonSaturating)]
    {
        let mut artist = generator.clone();
        let loss = classic::generator_loss(&mut artist, &judge, golden.tensor("noise"), kind);
        golden.check_step(step, loss, &generator, "generator.");
        check_averages(&mut golden, "generator", &artist);
    }
    golden.report(file);
}

fn check_averages<M: Module>(golden: &mut Golden, network: &str, module: &M) {
    let after = named::collect(module, &format!("{network}.after.{network}."));
    for (name, data) in after.into_iter().filter(|(name, _)| name.contains("running_")) {
        let tensor = Tensor::<1>::from_data(data, &golden.device);
        golden.check(&name, tensor);
    }
}

#[test]
fn the_classic_gan_as_in_the_article() {
    classic("gan_classic_article", Preset::Article, 4);
}

#[test]
fn the_classic_gan_with_upsampling() {
    classic("gan_classic_upsampled", Preset::ArticleUpsampled, 16);
}

#[test]
fn the_modern_gan() {
    let mut golden = Golden::read("gan_modern");
    let (shape, device) = ([3, 8, 8], golden.device.clone());
    let config = ModernConfig {
        noise_width: 3,
        style_width: 6,
        widths: vec![8, 6],
        blocks: 2,
        text: TEXT,
        ..ModernConfig::default()
    };
    config.validate(shape).unwrap();
    let settings = ModernObjectiveConfig {
        gamma: 0.3,
        penalty_every: 4,
        penalty_step: 0.25,
        mismatch_weight: 0.5,
        pair_weight: 0.7,
        pair_factor: 2,
        ..ModernObjectiveConfig::default()
    };
    let mut init = Init::empty(&device);
    let generator = golden.fill(modern::Generator::new(&config, shape, &mut init), "generator.");
    let discriminator = golden.fill(modern::Discriminator::new(&config, shape, &mut init), "discriminator.");
    let (real, fake) = (golden.tensor::<4>("real"), golden.tensor::<4>("fake"));

    let pooled = generator.text.as_ref().unwrap().forward(golden.text()).pooled;
    golden.check("drawn", generator.forward(golden.tensor("noise"), pooled));
    let pooled = discriminator.text.as_ref().unwrap().forward(golden.text()).pooled;
    golden.check("judged", discriminator.judge(discriminator.look(real.clone()), pooled));

    let shown = Judged {
        real: real.clone(),
        fake,
        text: Said::Tokens(golden.text()),
        mismatched: golden.tensor("mismatched"),
        probe: Some((golden.tensor("real_probe"), golden.tensor("fake_probe"))),
    };
    let loss = modern::discriminator_loss(&discriminator, shown, &settings).unwrap();
    golden.check("pairing", loss.pairing.clone());
    golden.check("mismatch", loss.mismatch.clone().unwrap());
    golden.check("penalty", loss.penalty.clone().unwrap());
    golden.check_step("discriminator", loss.total(settings.penalty_every), &discriminator, "discriminator.");

    let augmentation = (changes(&golden, "real_changes"), changes(&golden, "fake_changes"));
    golden.check("augmented", augmentation.0.apply(real.clone()));
    let (noise, again) = (golden.tensor("noise"), Some(golden.tensor("again")));
    let task = Drawn { noise, again, text: Said::Tokens(golden.text()), real, augmentation };
    let judge = discriminator.no_grad();
    let (loss, pair) = modern::generator_loss(&generator, &judge, task, &settings).unwrap();
    let pair = pair.unwrap();
    golden.check("generator", loss.clone());
    golden.check("pair", pair.clone());
    golden.check_step("generator", loss + pair, &generator, "generator.");
    golden.report("modern gan");
}

fn changes(golden: &Golden, name: &str) -> Augmentation {
    let values: Vec<f32> = golden.data(name).iter::<f32>().collect();
    let changes: Vec<Change> = values
        .chunks(8)
        .map(|v| Change {
            brightness: v[0],
            saturation: v[1],
            contrast: v[2],
            shift: [v[3] as isize, v[4] as isize],
            hole: [v[5] as isize, v[6] as isize],
            hole_size: [v[7] as usize; 2],
        })
        .collect();
    Augmentation::new(&changes, [8, 8], &golden.device)
}
