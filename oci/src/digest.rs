//! The hashes that OCI knows, one type each, so that the compiler knows a layer from a blob.

use crate::hash::sha256;
use crate::hash_type;

hash_type! {
    /// Names a blob: the bytes as they are stored and sent.
    Digest, "sha256:"
}
hash_type! {
    /// Names a layer: the bytes of its uncompressed tar.
    DiffId, "sha256:"
}
hash_type! {
    /// Names a stack of layers (OCI image-spec, config.md, "Layer ChainID").
    ChainId, "sha256:"
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(sha256(bytes))
    }
}

impl ChainId {
    /// The chain of a whole stack, bottom layer first; `None` for no layers.
    pub fn of(layers: &[DiffId]) -> Option<Self> {
        let (first, rest) = layers.split_first()?;
        Some(
            rest.iter()
                .fold(ChainId(first.0), |chain, layer| chain.then(layer)),
        )
    }

    /// This chain with one more layer on top.
    #[must_use]
    pub fn then(&self, layer: &DiffId) -> Self {
        ChainId(sha256(format!("{self} {layer}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DigestError;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn round_trip() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>(), Ok(Digest::of(b"")));
        let json = serde_json::to_string(&Digest::of(b"")).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), Digest::of(b""));
    }

    #[test]
    fn hostile_texts_are_refused() {
        let upper = EMPTY.to_uppercase();
        let long = format!("{EMPTY}0");
        for bad in [
            "",
            "sha256:",
            "sha256:../../x",
            &EMPTY[7..],
            &EMPTY[..70],
            &upper,
            &long,
            "sha256:\u{e9}",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(matches!(
            "sha512:00".parse::<DiffId>(),
            Err(DigestError::Algorithm(_))
        ));
    }

    #[test]
    fn chain_of_one_is_the_layer_itself() {
        let layer = DiffId::from_bytes([7; 32]);
        assert_eq!(ChainId::of(&[layer]).unwrap().as_bytes(), layer.as_bytes());
        let two = ChainId::of(&[layer, layer]).unwrap();
        assert_eq!(two.as_bytes(), &sha256(format!("{layer} {layer}").as_bytes()));
        assert_eq!(ChainId::of(&[]), None);
    }
}
