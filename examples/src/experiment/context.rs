//! What a run is given, and the real data that it runs on.

use anyhow::{Context as _, Result, ensure};
use burn::tensor::Device;

use crate::data::{Images, Text};

/// The real data that an experiment runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Labelled images: the digits, or those of the user's folder.
    Images,
    /// Labelled images: both the digits and the pictures of clothing, or those of the user's folder alone.
    ImageSets,
    /// Text: the embedded prose, or that of the user's folder.
    Text,
    /// Domains of text: the embedded ones that are named, or the text files of the user's folder, two or more.
    Domains(&'static [Domain]),
    /// The embedded table of animals and their traits; the user's folder is not read.
    Animals,
    /// Drawn or computed by the experiment itself; the user's folder is not read.
    Simulated,
}

/// A set of images, with the name that its arms have in front.
#[derive(Clone, Debug)]
pub struct ImageSet {
    /// `digits`, `clothing`, or `own` for the user's.
    pub name: &'static str,
    /// The images.
    pub images: Images,
}

/// An embedded domain of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the text of its name")]
pub enum Domain {
    Prose,
    Verse,
    Code,
    Documentation,
    Python,
}

impl Domain {
    fn text(self) -> Result<Text> {
        match self {
            Self::Prose => Text::prose(),
            Self::Verse => Text::verse(),
            Self::Code => Text::code(),
            Self::Documentation => Text::documentation(),
            Self::Python => Text::python(),
        }
    }
}

/// What a run is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The training device, with autodiff.
    pub device: Device,
    /// The user's folder, if one was named.
    pub folder: Option<std::path::PathBuf>,
    /// The large size, with all of the user's data.
    pub full: bool,
    /// A short run, for tests of the experiments themselves.
    pub small: bool,
    /// The name of the fault with which the method is broken on purpose.
    pub fault: Option<String>,
}

/// Images that an experiment takes from a user's folder unless the large size is asked for.
const IMAGES: usize = 1800;

impl Context {
    /// The embedded data on Burn's default device, seeded.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let device = Device::default().autodiff();
        device.seed(seed);
        Self {
            device,
            folder: None,
            full: false,
            small: false,
            fault: None,
        }
    }

    /// Whether the method is to be broken by this fault of the system.
    #[must_use]
    pub fn is_broken_by(&self, fault: &str) -> bool {
        self.fault.as_deref() == Some(fault)
    }

    /// The images of this run: a stratified 1,800 of the user's, or all with `full`.
    ///
    /// # Errors
    /// If the user's folder can't be read or holds no images.
    pub fn images(&self) -> Result<Images> {
        let Some(folder) = &self.folder else {
            return Images::digits();
        };
        let (images, _) = crate::data::load_folder(folder)?;
        let images = images.with_context(|| {
            let folder = folder.display();
            format!("{folder}: no images (IDX or CSV files), which this system needs")
        })?;
        Ok(if self.full {
            images
        } else {
            images.at_most(IMAGES)
        })
    }

    /// The sets of images of this run: the embedded digits and, of the pictures of clothing, a stratified 1,800 or all with
    /// `full`; or the user's folder alone, as [`images`](Self::images) gives it.
    ///
    /// # Errors
    /// As for [`images`](Self::images).
    pub fn image_sets(&self) -> Result<Vec<ImageSet>> {
        if self.folder.is_some() {
            let (name, images) = ("own", self.images()?);
            return Ok(vec![ImageSet { name, images }]);
        }
        let clothing = Images::clothing()?;
        let sets = [
            ("digits", Images::digits()?),
            (
                "clothing",
                if self.full {
                    clothing
                } else {
                    clothing.at_most(IMAGES)
                },
            ),
        ];
        Ok(sets.map(|(name, images)| ImageSet { name, images }).into())
    }

    /// The text of this run.
    ///
    /// # Errors
    /// If the user's folder can't be read or holds no text.
    pub fn text(&self) -> Result<Text> {
        let Some(folder) = &self.folder else {
            return Text::prose();
        };
        let (_, text) = crate::data::load_folder(folder)?;
        text.with_context(|| {
            let folder = folder.display();
            format!("{folder}: no text (`*.txt` files), which this system needs")
        })
    }

    /// The domains of text of this run in the order in which they arrive: the embedded ones, or the
    /// files of the user's folder by name, two or more and at most as many.
    ///
    /// # Errors
    /// If the user's folder can't be read or holds fewer than two text files.
    pub fn domains(&self, embedded: &[Domain]) -> Result<Vec<Text>> {
        let Some(folder) = &self.folder else {
            return embedded.iter().map(|domain| domain.text()).collect();
        };
        let own = crate::data::load_domains(folder)?;
        ensure!(
            own.len() > 1,
            "{}: {} text files (`*.txt`), of which this system needs two or more, each a domain",
            folder.display(),
            own.len()
        );
        Ok(own.into_iter().take(embedded.len()).collect())
    }

    /// What the run's data is called.
    ///
    /// # Errors
    /// If the user's folder can't be read.
    pub fn data_name(&self, kind: DataKind) -> Result<String> {
        Ok(match kind {
            DataKind::Images => self.images()?.name,
            DataKind::ImageSets => {
                let names = self.image_sets()?.into_iter().map(|set| set.images.name);
                names.collect::<Vec<_>>().join(", ")
            }
            DataKind::Text => self.text()?.name,
            DataKind::Domains(embedded) => {
                let names = self.domains(embedded)?.into_iter().map(|text| text.name);
                names.collect::<Vec<_>>().join(", ")
            }
            DataKind::Animals => "animals and their traits (UCI Zoo, embedded)".into(),
            DataKind::Simulated => "simulated".into(),
        })
    }
}
