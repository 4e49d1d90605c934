//! Sounds decoded, brought to another rate, and as spectrograms that agree with torchaudio's (`tests/golden/log_mel.py`).

use super::*;

fn fixture(name: &str) -> EncodedFile {
    let path = format!("{}/tests/fixtures/sound/{name}", env!("CARGO_MANIFEST_DIR"));
    EncodedFile { name: name.to_string(), bytes: fs_err::read(path).unwrap().into() }
}

fn word() -> Sound {
    decode(&fixture("word.wav")).unwrap()
}

#[derive(Deserialize)]
struct Golden {
    name: String,
    first: usize,
    count: usize,
    config: MelConfig,
    frames: usize,
    log_mel: Vec<f32>,
}

#[test]
fn spectrograms_are_those_of_torchaudio() {
    let golden: Vec<Golden> = serde_json::from_slice(&fixture("log_mel.json").bytes).unwrap();
    let word = word();
    for case in golden {
        let samples = word.samples[case.first..][..case.count].to_vec();
        let sound = Sound { sample_rate: word.sample_rate, samples };
        let made = sound.log_mel(&case.config).unwrap();
        let [_, mels, frames] = made.shape;
        assert_eq!((made.lengths[0], frames), (case.frames, case.config.frames()), "{}", case.name);
        for mel in 0..mels {
            let of_mel = &made.data[mel * frames..][..frames];
            for (frame, wanted) in case.log_mel[mel * case.frames..][..case.frames].iter().enumerate() {
                assert!((of_mel[frame] - wanted).abs() < 1e-4, "{}: {mel} {frame}", case.name);
            }
            assert!(of_mel[case.frames..].iter().all(|value| *value == QUIET.ln() as f32));
        }
    }
}

#[test]
fn every_format_says_the_same() {
    let wav = word();
    assert_eq!((wav.sample_rate, wav.samples.len()), (22050, (fixture("word.wav").bytes.len() - 44) / 2));
    assert_eq!(decode(&fixture("word.flac")).unwrap(), wav);
    // What forgets some of it sounds the same, where it is loud; a few ms of silence may come before.
    let loud = |sound: &Sound| {
        let mel = sound.log_mel(&MelConfig { n_mels: 8, ..Default::default() }).unwrap();
        let frames = mel.lengths[0];
        let sums =
            (0..frames).map(|frame| (2..5).map(|row| mel.data[row * mel.shape[2] + frame]).sum::<f32>());
        let mut sums: Vec<f32> = sums.collect();
        sums.sort_by(f32::total_cmp);
        sums[sums.len() / 2..].iter().sum::<f32>() / (sums.len() - sums.len() / 2) as f32
    };
    for name in ["word.ogg", "word.mp3"] {
        let sound = decode(&fixture(name)).unwrap();
        assert!((loud(&sound) - loud(&wav)).abs() < 2.0, "{name}: {} {}", loud(&sound), loud(&wav));
        let seconds = |sound: &Sound| sound.samples.len() as f32 / sound.sample_rate as f32;
        assert!((seconds(&sound) - seconds(&wav)).abs() < 0.1, "{name}");
    }
}

#[test]
fn another_rate_keeps_a_tone_and_its_length() {
    let tone = |rate: u32| {
        let sample = |place: u32| (place as f32 / rate as f32 * 440.0 * std::f32::consts::TAU).sin() * 0.5;
        Sound { sample_rate: rate, samples: (0..rate).map(sample).collect() }
    };
    for rate in [8_000, 22_050, 44_100] {
        let resampled = tone(rate).resampled(16_000).unwrap();
        assert!(resampled.samples.len().abs_diff(16_000) <= 2, "{}", resampled.samples.len());
        let wanted = tone(16_000);
        let most =
            resampled.samples[2000..14_000].iter().zip(&wanted.samples[2000..]).map(|(a, b)| (a - b).abs());
        let most = most.fold(0.0, f32::max);
        // It may come half a sample late.
        assert!(most < 0.044, "{rate}: {most}");
    }
}

#[test]
fn a_broken_sound_and_a_silent_one_say_so() {
    let header = |bytes: &[u8]| [&fixture("word.wav").bytes[..44], bytes].concat();
    let text = |bytes: Vec<u8>| {
        let file = EncodedFile { name: "x.wav".into(), bytes: bytes.into() };
        decode(&file).unwrap_err().to_string()
    };
    assert!(text(b"no sound at all".to_vec()).contains("`x.wav` cannot be used"));
    assert!(text(vec![]).contains("`x.wav` cannot be used"));
    assert!(text(header(&[0; 4000])).contains("it is silent"));
    assert!(text(header(&[])).contains("it has no sample"));
    // One that is cut off is heard as far as it goes.
    let half = fixture("word.wav").bytes[..12_000].to_vec();
    let half = decode(&EncodedFile { name: "x.wav".into(), bytes: half.into() }).unwrap();
    assert!(half.samples.len() > 5000 && half.samples == word().samples[..half.samples.len()]);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let wrong = |config: MelConfig, field: &str| {
        let said = config.validate().unwrap_err().to_string();
        assert!(said.contains(&format!("sound.{field}")), "{said}");
    };
    wrong(MelConfig { sample_rate: 0, ..Default::default() }, "sample_rate");
    wrong(MelConfig { n_fft: 3, ..Default::default() }, "n_fft");
    wrong(MelConfig { hop_length: 0, ..Default::default() }, "hop_length");
    wrong(MelConfig { n_mels: 999, ..Default::default() }, "n_mels");
    wrong(MelConfig { seconds: f32::NAN, ..Default::default() }, "seconds");
    MelConfig::default().validate().unwrap();
}
