"""What counts as believed, in pictures of which one half is bright, and judges that read which."""

import pytest
import torch
from methods import believed_elites
from methods.believed_elites import VAE, Question, Way
from methods.compared_encodings import Common
from torch import Tensor, nn

from evovae.data import Images, ImageSet, to_unit
from evovae.encodings import DecoderEncoding, PixelEncoding
from evovae.objectives import Judges, RealImages

SIDES = Question(None, ("boldness", "class"), (8, 2), ((0.0, 16.0), (-0.5, 1.5)))
RIGHT = Question(1, ("boldness",), (16,), ((0.0, 16.0),))


class Sides(nn.Module):
    """Class 0 is brighter on the left, class 1 on the right."""

    def forward(self, x: Tensor) -> Tensor:
        return 20.0 * self.features(x)

    def features(self, x: Tensor) -> Tensor:
        return torch.stack([x[..., :2].mean((1, 2, 3)), x[..., 2:].mean((1, 2, 3))], 1)


def pictures(number: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % 2
    dim, bright = (torch.randint(*span, (number, 1, 4, 2), generator=generator) for span in ((0, 30), (200, 256)))
    right = (labels == 1).view(-1, 1, 1, 1)
    both = torch.cat([torch.where(right, dim, bright), torch.where(right, bright, dim)], 3)
    return Images(both.to(torch.uint8), labels)


@pytest.fixture(autouse=True)
def common(monkeypatch: pytest.MonkeyPatch) -> Common:
    images = ImageSet("sides", pictures(200, 0), pictures(60, 1), ("left", "right"))
    found = Common(images, Judges(Sides(), Sides()), RealImages(images))  # type: ignore[arg-type]
    monkeypatch.setattr(believed_elites, "common", lambda: found)
    return found


def test_pictures_are_believed_that_are_read_and_typical(common: Common) -> None:
    encoding, test = PixelEncoding((1, 4, 4)), common.digits.test
    real = to_unit(test.images).flatten(1)
    seen = believed_elites.look(encoding, real, test.labels)
    assert seen["pleasing"].all()
    assert 0.85 < seen["believed"].float().mean() <= 0.97, "a twentieth of the test images is not typical"
    assert not believed_elites.look(encoding, real, 1 - test.labels)["read"].any(), "of the other class"
    noise = torch.rand(50, 16, generator=torch.Generator().manual_seed(0))
    assert not believed_elites.look(encoding, noise, torch.ones(50, dtype=torch.int64))["typical"].any()
    sure = real[1:2].clone()
    sure[0, 3] = 0.0  # a hole in the bright side
    seen = believed_elites.look(encoding, sure, torch.ones(1, dtype=torch.int64))
    assert {name: bool(values) for name, values in seen.items()} == {
        "pleasing": True, "read": True, "typical": False, "believed": False
    }  # fmt: skip


def test_real_pictures_fill_an_archive_with_what_is_asked_for(common: Common) -> None:
    encoding = PixelEncoding((1, 4, 4))
    archive = believed_elites.fill(RIGHT, Way(), encoding, 1000, 0)
    assert archive.index[0].tolist() == [8], "half of the pixels are bright, on the right side"
    assert RIGHT.labels(archive).tolist() == [1]
    archive = believed_elites.fill(SIDES, Way(), encoding, 1000, 0)
    assert sorted(SIDES.labels(archive).tolist()) == [0, 1]
    read = believed_elites.look(encoding, archive.genomes[0], SIDES.labels(archive))["read"]
    assert read.all()


def test_a_search_that_minds_what_is_typical_finds_more_that_is_believed(common: Common) -> None:
    train = common.digits.train
    middle = to_unit(train.images[train.labels == 1]).mean(0)
    encoding = DecoderEncoding(lambda z: (middle + 0.1 * z.view(-1, 1, 4, 4)).clamp(0, 1), 16, (1, 4, 4))
    question = Question(1, ("lightness",), (50,), ((0.5, 1.0),))
    believed = {}
    for honest in (False, True):
        archive = believed_elites.fill(question, Way(VAE, honest=honest), encoding, 60, 0)
        seen = believed_elites.look(encoding, archive.genomes[0], question.labels(archive))
        believed[honest] = int(seen["believed"].sum())
    assert believed[True] > believed[False] > 0
    drawn = believed_elites.fill(question, Way(VAE, drawn=True), encoding, 60, 0)
    assert 2 < len(drawn.index[0]) < len(archive.index[0])
