//! A user's folder: MNIST-format IDX files or a CSV of images, and plain text.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::file::{read, to_lower};
use super::idx::{Idx, idx};
use super::rows::Rows;
use super::{Images, Text};

/// What a folder holds.
///
/// Images come from pairs of IDX files (`*images*` and `*labels*`, of the same prefix; a training and a test pair are put
/// together) or from `*.csv` files (pixels, then the class); text from `*.txt` files. All of them may be plain or `.gz`, in upper or
/// lower case. A file that lies beside its own `.gz` is read once.
///
/// # Errors
/// If the folder can't be read, holds none of these, one of them is damaged or unpacks to more than 256 MiB
/// ([`ReadError`](super::ReadError)), the images have more than 2^28 pixels, or a file differs from its `.gz`: the file is named.
pub fn load_folder(folder: &Path) -> Result<(Option<Images>, Option<Text>)> {
    let files = list(folder)?;
    let images = match idx_pairs(&files)? {
        pairs if pairs.is_empty() => csv_images(&files)?,
        pairs => Some(idx_images(folder, &pairs)?),
    };
    let mut text = String::new();
    for path in texts(&files) {
        text += &String::from_utf8_lossy(&read(path)?);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    let text = if text.is_empty() {
        None
    } else {
        Some(Text::new(&folder.display().to_string(), &text)?)
    };
    ensure!(
        images.is_some() || text.is_some(),
        "{}: no IDX, CSV or text files",
        folder.display()
    );
    Ok((images, text))
}

/// The text files of a folder by name, each a domain of its own.
///
/// # Errors
/// If the folder or a file can't be read, or a file is shorter than 1,000 characters.
pub fn load_domains(folder: &Path) -> Result<Vec<Text>> {
    let domain = |path: &PathBuf| {
        let bytes = read(path)?;
        Text::new(
            &path.display().to_string(),
            &String::from_utf8_lossy(&bytes),
        )
    };
    texts(&list(folder)?).map(domain).collect()
}

fn texts(files: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    files.iter().filter(|path| is_of(path, ".txt"))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() && KINDS.iter().any(|kind| is_of(&path, kind)) {
            files.push(path);
        }
    }
    files.sort();
    let mut once: Vec<PathBuf> = Vec::new();
    for path in &files {
        let plain = plain_name(path);
        let twin = once.iter().find(|other| plain_name(other) == plain);
        let Some(twin) = twin else {
            once.push(path.clone());
            continue;
        };
        // Read twice, images would be in the training and in the test part.
        ensure!(
            read(twin)? == read(path)?,
            "{} and {} differ: keep one of them",
            twin.display(),
            path.display()
        );
    }
    Ok(once)
}

/// Parts of the names of the files that are read.
const KINDS: [&str; 4] = [".txt", ".csv", "idx", "ubyte"];

/// Whether a file is of a kind: by its ending, or for IDX files, which have none, by any part of its name.
fn is_of(path: &Path, kind: &str) -> bool {
    let plain = plain_name(path);
    if kind.starts_with('.') {
        plain.ends_with(kind)
    } else {
        plain.contains(kind) && !plain.ends_with(".txt") && !plain.ends_with(".csv")
    }
}

/// The name in lower case, without `.gz`.
fn plain_name(path: &Path) -> String {
    let name = to_lower(path);
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

/// Image files with the label file of the same prefix, such as `train-images-idx3-ubyte`.
fn idx_pairs(files: &[PathBuf]) -> Result<Vec<(PathBuf, PathBuf)>> {
    let is_idx = |path: &&PathBuf| is_of(path, "idx") || is_of(path, "ubyte");
    let mut pairs = Vec::new();
    for images in files.iter().filter(is_idx) {
        let own = plain_name(images);
        let Some(at) = own.find("images") else {
            continue;
        };
        let prefix = format!("{}labels", &own[..at]);
        let mut others = files.iter().filter(is_idx);
        let labels = others.find(|path| plain_name(path).starts_with(&prefix));
        match labels {
            Some(labels) => pairs.push((images.clone(), labels.clone())),
            None => bail!("{}: no file {prefix}* beside it", images.display()),
        }
    }
    Ok(pairs)
}

fn idx_images(folder: &Path, pairs: &[(PathBuf, PathBuf)]) -> Result<Images> {
    let (mut pixels, mut labels, mut size) = (Vec::new(), Vec::new(), None);
    for (image_file, label_file) in pairs {
        let Idx { shape, bytes } = idx(image_file)?;
        let [count, height, width] = shape[..] else {
            bail!(
                "{}: three dimensions expected, {} found",
                image_file.display(),
                shape.len()
            );
        };
        ensure!(
            width > 0 && height > 0,
            "{}: images of {width} x {height} pixels: allowed are sizes from 1 on",
            image_file.display()
        );
        let classes = idx(label_file)?;
        ensure!(
            classes.shape == [count],
            "{}: {count} labels expected by {}, {:?} found",
            label_file.display(),
            image_file.display(),
            classes.shape
        );
        ensure!(
            *size.get_or_insert((width, height)) == (width, height),
            "{}: images of another size than before",
            image_file.display()
        );
        check_pixels(image_file, pixels.len() + bytes.len())?;
        pixels.extend(bytes.iter().map(|value| f32::from(*value)));
        labels.extend(classes.bytes.iter().map(|class| usize::from(*class)));
    }
    let (width, height) = size.unwrap_or_default();
    let name = format!("IDX {width}x{height} from {}", folder.display());
    let of_files = || names(pairs.iter().flat_map(|(images, labels)| [images, labels]));
    Images::new(&name, width, height, pixels, labels).with_context(of_files)
}

/// All images together have at most this many pixels, one GiB of memory.
const PIXELS: usize = 1 << 28;

fn check_pixels(path: &Path, pixels: usize) -> Result<()> {
    ensure!(
        pixels <= PIXELS,
        "{}: {pixels} pixels with the files before it: allowed are {PIXELS}",
        path.display()
    );
    Ok(())
}

fn names<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    let names: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    names.join(", ")
}

fn csv_images(files: &[PathBuf]) -> Result<Option<Images>> {
    let tables: Vec<&PathBuf> = files.iter().filter(|path| is_of(path, ".csv")).collect();
    let mut rows = Rows::default();
    for path in &tables {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        rows.read(&path.display().to_string(), &text)?;
        check_pixels(path, rows.pixels())?;
    }
    if tables.is_empty() {
        return Ok(None);
    }
    rows.into_images(&names(tables.into_iter())).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use regimen_tensor::testing::Hostile;

    use super::*;

    fn write(folder: &Path, file: &str, shape: &[u32], values: &[u8]) {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(values);
        fs::write(folder.join(file), bytes).unwrap();
    }

    #[test]
    fn idx_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write(path, "train-images-idx3-ubyte", &[2, 2, 3], &[255; 12]);
        write(path, "train-labels-idx1-ubyte", &[2], &[0, 1]);
        let (images, text) = load_folder(path).unwrap();
        let images = images.unwrap();
        assert_eq!((images.width, images.height, images.classes), (3, 2, 2));
        assert_eq!(images.pixels, [1.0; 12]);
        assert!(text.is_none());
    }

    #[test]
    fn each_text_file_is_a_domain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(load_domains(path).unwrap().is_empty());
        for (file, letter) in [("b.txt", "b"), ("a.txt", "a")] {
            fs::write(path.join(file), letter.repeat(1500)).unwrap();
        }
        let domains = load_domains(path).unwrap();
        assert_eq!(domains.len(), 2);
        assert!(domains[0].name.ends_with("a.txt") && domains[0].symbols[0] == b'a' - b' ');
        fs::write(path.join("c.txt"), "short").unwrap();
        let error = load_domains(path).unwrap_err().to_string();
        assert!(error.contains("c.txt"), "{error}");
    }

    fn zip(path: &Path, bytes: &[u8]) {
        let file = fs::File::create(path).unwrap();
        let mut zip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        std::io::Write::write_all(&mut zip, bytes).unwrap();
        zip.finish().unwrap();
    }

    #[test]
    fn a_file_beside_its_gz_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write(path, "train-images-idx3-ubyte", &[2, 2, 3], &[255; 12]);
        write(path, "train-labels-idx1-ubyte", &[2], &[0, 1]);
        for file in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"] {
            let bytes = fs::read(path.join(file)).unwrap();
            zip(&path.join(format!("{file}.gz")), &bytes);
        }
        assert_eq!(load_folder(path).unwrap().0.unwrap().labels, [0, 1]);
        zip(&path.join("train-labels-idx1-ubyte.gz"), b"other labels");
        let error = load_folder(path).unwrap_err().to_string();
        assert!(
            error.contains("train-labels-idx1-ubyte.gz differ"),
            "{error}"
        );
    }

    #[test]
    fn every_csv_is_read_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // No line end, a line of names in each, and any case.
        fs::write(path.join("a.CSV"), "p,q,r,s,class\n0,1,2,4,0\n4,3,2,1,1").unwrap();
        zip(&path.join("b.csv.gz"), b"p,q,r,s,class\n0,8,0,0,2");
        let images = load_folder(path).unwrap().0.unwrap();
        assert_eq!(
            (images.labels.as_slice(), images.classes),
            ([0, 1, 2].as_slice(), 3)
        );
        assert_eq!(images.pixels[3], 0.5);
        assert!(images.name.contains("a.CSV") && images.name.contains("b.csv.gz"));
        fs::write(path.join("c.csv"), "0,8,0,0,2\n0,8,zero,0,2\n").unwrap();
        let error = load_folder(path).unwrap_err().to_string();
        assert!(error.contains("c.csv, line 2"), "{error}");
        fs::write(path.join("c.csv"), "0,8,0,2\n").unwrap();
        let error = load_folder(path).unwrap_err().to_string();
        assert!(error.contains("c.csv, line 1: 4 finite pixels"), "{error}");
        fs::write(path.join("c.csv"), "p,q\n").unwrap();
        let error = load_folder(path).unwrap_err().to_string();
        assert!(error.contains("c.csv: no images"), "{error}");
    }

    #[test]
    fn texts_are_put_together_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("A.TXT"), "a".repeat(600)).unwrap();
        zip(&path.join("b.txt.gz"), "b".repeat(600).as_bytes());
        let text = load_folder(path).unwrap().1.unwrap();
        // A line end is the symbol for everything else.
        assert_eq!(text.symbols.len(), 1202);
        assert_eq!(text.symbols[600], 95);
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(
            load_folder(path)
                .unwrap_err()
                .to_string()
                .contains("no IDX")
        );
        write(path, "t-images-idx3-ubyte", &[2, 2, 3], &[255; 11]);
        let error = load_folder(path).unwrap_err().to_string();
        assert!(error.contains("no file t-labels"), "{error}");
        write(path, "t-labels-idx1-ubyte", &[2], &[0, 1]);
        let error = load_folder(path).unwrap_err().to_string();
        assert!(error.contains("t-images-idx3-ubyte"), "{error}");
        assert!(load_folder(&path.join("none")).is_err());
    }

    /// A copy that is cut short, or of which a few bytes are others.
    fn damaged(bytes: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if rng.random_range(0..3) == 0 {
            bytes.truncate(rng.random_range(0..bytes.len()));
            return bytes;
        }
        for _ in 0..rng.random_range(1..=4) {
            let head = bytes.len().min(24);
            let place = match rng.random_range(0..2) {
                0 => rng.random_range(0..head),
                _ => rng.random_range(0..bytes.len()),
            };
            bytes[place] = [0, 1, 0xff, rng.random_range(0..=255)][rng.random_range(0..4)];
        }
        bytes
    }

    /// Every file of a folder damaged, one at a time: each is read as something, or refused by an error that names it or its pair.
    fn survives(room: &'static str, files: &[(&str, Vec<u8>)]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut hostile = Hostile::new(room);
        for (name, bytes) in files {
            for (other, bytes) in files {
                fs::write(path.join(other), bytes).unwrap();
            }
            load_folder(path).unwrap();
            for _ in 0..300 {
                let changed = damaged(bytes, &mut rng);
                fs::write(path.join(name), &changed).unwrap();
                hostile.input(format!("{name} {changed:?}"), || load_folder(path));
                if let Err(error) = load_folder(path) {
                    let error = format!("{error:#}");
                    assert!(error.contains(name), "{name} is not named: {error}");
                }
            }
        }
        hostile.finish();
    }

    fn idx_bytes(shape: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zip, bytes).unwrap();
        zip.finish().unwrap()
    }

    /// Named so for the fault driver.
    mod bad_input {
        use super::*;

        #[test]
        fn damaged_idx_files() {
            let images = idx_bytes(&[3, 2, 3], &[7; 18]);
            let labels = idx_bytes(&[3], &[0, 1, 2]);
            survives(
                "IDX files",
                &[
                    ("t-images-idx3-ubyte", images.clone()),
                    ("t-labels-idx1-ubyte", labels.clone()),
                ],
            );
            survives(
                "packed IDX files",
                &[
                    ("t-images-idx3-ubyte.gz", packed(&images)),
                    ("t-labels-idx1-ubyte.gz", packed(&labels)),
                ],
            );
        }

        #[test]
        fn damaged_tables() {
            let table = b"p,q,r,s,class\n0,1,2,4,0\n4,3,2,1,1\n1,1,2,1,1\n";
            let other = b"0,8,0,0,2\n1e3,8,0,0,2\n";
            survives(
                "CSV files",
                &[("a.csv", table.to_vec()), ("b.csv.gz", packed(other))],
            );
        }

        #[test]
        fn damaged_texts() {
            let text = "It is a truth.\n".repeat(100).into_bytes();
            survives(
                "text files",
                &[("a.txt", text.clone()), ("b.txt.gz", packed(&text))],
            );
        }
    }
}
