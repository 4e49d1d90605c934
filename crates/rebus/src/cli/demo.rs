//! `rebus demo`: the main job on real input, with nothing but what ships.

use std::{
    path::{Path, PathBuf},
    process::Command as Process,
    time::Instant,
};

use fs_err as fs;
use rebus_data::write_atomic;
use rebus_tasks::{GenerateTask, TaskError, generate};
use serde::Serialize;

use super::{failure::Failure, progress, say::out};

/// Prompts that the demo draws: captions that the model learned, in both languages.
const PROMPTS: [&str; 8] = [
    "red apple",
    "sun",
    "volcano",
    "pizza",
    "cat face",
    "hamburger",
    "笑脸",
    "woman firefighter: dark skin tone",
];
/// And captions that it was not shown.
const NEW: [&str; 4] = ["a blue apple", "a red car", "purple cat face", "红色的太阳"];

/// How many pictures of each prompt.
const EACH: usize = 4;

/// Arguments of `rebus demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for the page and the pictures.
    #[arg(short, long, default_value = "rebus-demo", value_name = "DIR")]
    output: PathBuf,
    /// Where to compute: cpu, vulkan:0, metal:0, cuda:0.
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// A command on a picture that is there, and what it makes.
struct Shown {
    part: &'static str,
    before: &'static str,
    /// Without `rebus`, in the demo's folder.
    command: &'static str,
    after: &'static str,
}

const SHOWN: [Shown; 6] = [
    Shown {
        part: "What words change",
        before: "apple.png",
        command: r#"edit apple.png --from "red apple" --to "green apple" --seed 7 -o green-apple.png"#,
        after: "green-apple.png",
    },
    Shown {
        part: "What words change",
        before: "mage.png",
        command: r#"edit mage.png --from "mage" --to "mage: dark skin tone" --seed 7 -o dark-mage.png"#,
        after: "dark-mage.png",
    },
    Shown {
        part: "Drawn anew by a prompt",
        before: "cat.png",
        command: r#"edit cat.png --prompt "cat face with wry smile" --strength 0.7 --seed 7 -o wry-cat.png"#,
        after: "wry-cat.png",
    },
    Shown {
        part: "Without a model",
        before: "heart.png",
        command: r#"edit heart.png --adjust "hue=+220,contrast=1.1" -o blue-heart.png"#,
        after: "blue-heart.png",
    },
    Shown {
        part: "A picture of outlines",
        before: "outlines.png",
        command: "translate outlines.png -o from-outlines.png",
        after: "from-outlines.png",
    },
    Shown {
        part: "One of several",
        before: "apple.png",
        command: "compose scene.toml -o scene.png",
        after: "scene.png",
    },
];

/// What is composed: a picture, a drawing, and words in two languages.
const SCENE: &str = r##"width = 200
height = 120
background = "#bfe3ff"
seed = 7

[[layer]]
prompt = "sun"
position = [146, 6]
scale = 1.5

[[layer]]
file = "apple.png"
position = [14, 48]
rotation = -10

[[layer]]
text = "An apple a day\n一天一苹果"
size = 15
fill = "#234"
position = [84, 70]
"##;

#[derive(Debug, Serialize)]
struct Row {
    prompt: String,
    seen: bool,
    files: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let start = Instant::now();
    fs::create_dir_all(&args.output)?;
    let folder = Folder::resolve(&args.output)?;
    let model = rebus::default_model(&rebus::device(&args.device)?)?;
    let prompts: Vec<String> = PROMPTS.iter().chain(&NEW).map(ToString::to_string).collect();
    let task = GenerateTask { prompts, count: EACH, seed: 7, ..GenerateTask::default() };
    let mut rows: Vec<Row> = vec![];
    let mut pictures = vec![];
    generate(&*model, &task, &mut progress::Drawing::new(), |drawing| {
        let row = pictures.len() / EACH;
        let file = format!("{:02}-{}.png", row + 1, drawing.seed);
        rebus_data::write_png(&args.output.join(&file), &drawing.picture, &[])?;
        if pictures.len() % EACH == 0 {
            rows.push(Row { prompt: drawing.prompt.clone(), seen: row < PROMPTS.len(), files: vec![] });
        }
        if let Some(row) = rows.last_mut() {
            row.files.push(file);
        }
        pictures.push(drawing.picture.clone());
        Ok(())
    })?;
    super::writing::write_sheet(&args.output.join("sheet.png"), &pictures, EACH)?;
    for (name, bytes) in inputs() {
        write_atomic(&folder.free(name)?, bytes)?;
    }
    for shown in &SHOWN {
        folder.run(shown, &args.device)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let page = page(&rows, model.info(), seconds)
        .map_err(|error| Failure::input(format!("the page cannot be made: {error}")))?;
    let index = args.output.join("index.html");
    write_atomic(&index, page.as_bytes())?;
    out!("{} pictures in {seconds:.1} s", pictures.len() + SHOWN.len());
    out!("{}", index.display());
    Ok(())
}

/// What the commands begin with.
fn inputs() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    #[cfg(feature = "assets")]
    let pictures = rebus::assets::pictures();
    #[cfg(not(feature = "assets"))]
    let pictures: [(&'static str, &'static [u8]); 0] = [];
    pictures.into_iter().chain([("scene.toml", SCENE.as_bytes())])
}

/// Where the demo goes: a new place, or that of an earlier demo, whose files may be replaced.
struct Folder<'a> {
    path: &'a Path,
    ours: bool,
}

impl<'a> Folder<'a> {
    /// Refuses a folder with a page in it that an earlier demo has not made.
    fn resolve(path: &'a Path) -> Result<Self, Failure> {
        let index = path.join("index.html");
        let there = index.exists();
        if there && !fs::read_to_string(&index)?.contains("<title>Rebus: pictures from words</title>") {
            return Err(Failure::input(format!(
                "{} is a page of your own, and is not replaced. Name another folder by --output",
                index.display()
            )));
        }
        let folder = Self { path, ours: there };
        for name in inputs().map(|(name, _)| name).chain(SHOWN.iter().map(|shown| shown.after)) {
            if !there && path.join(name).exists() {
                return Err(TaskError::Exists { path: path.join(name) }.into());
            }
        }
        Ok(folder)
    }

    /// The place of a file, where nothing is any more.
    fn free(&self, name: &str) -> Result<PathBuf, Failure> {
        let file = self.path.join(name);
        if self.ours && file.exists() {
            fs::remove_file(&file)?;
        }
        Ok(file)
    }

    /// Runs a command as a person would, with this very program.
    fn run(&self, shown: &Shown, device: &str) -> Result<(), Failure> {
        self.free(shown.after)?;
        let words = shlex::split(shown.command).unwrap_or_default();
        // What is said by default is not said, or the picture would tell of it.
        let on: &[&str] = if device == "cpu" { &[] } else { &["--device", device] };
        let done = Process::new(std::env::current_exe()?)
            .args(words)
            .args(on)
            .arg("--quiet")
            .current_dir(self.path)
            .output()?;
        match done.status.success() {
            true => Ok(()),
            false => Err(Failure::input(format!(
                "`rebus {}` failed: {}",
                shown.command,
                String::from_utf8_lossy(&done.stderr).trim()
            ))),
        }
    }
}

fn page(rows: &[Row], info: &rebus_models::ModelInfo, seconds: f64) -> Result<String, minijinja::Error> {
    let mut environment = minijinja::Environment::new();
    environment.add_template("demo.html", include_str!("demo.html"))?;
    let shown = SHOWN.iter().map(|shown| {
        let (before, after) = (shown.before, shown.after);
        serde_json::json!({ "part": shown.part, "command": shown.command, "before": before, "after": after })
    });
    let context = serde_json::json!({
        "rows": rows, "info": info, "seconds": format!("{seconds:.1}"), "version": env!("CARGO_PKG_VERSION"),
        "shown": shown.collect::<Vec<_>>(),
    });
    environment.get_template("demo.html")?.render(minijinja::Value::from_serialize(&context))
}
