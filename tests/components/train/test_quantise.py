"""Graphs in int8: which parts are, that equal work gives equal bytes, and what is refused."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from folded import datasets, spec
from numpy.typing import NDArray
from workspaces import Workspace

from components.lib.dataset import Dataset
from components.lib.digests import file_digest
from components.lib.model_dir import Model
from components.lib.spec import load_spec
from components.lib.train_settings import Train
from components.train.devices import prepare
from components.train.export import export
from components.train.members import Trained, members, train_member
from components.train.network import build_core
from components.train.quantise import NotQuantisable, quantise
from components.train.samples import Development
from components.train.smaller import refusal
from components.train.step import assemble

pytestmark = pytest.mark.xdist_group("tensorflow")  # imported once, in one process
SHAPES = {
    "image.cnn": (32, 32, 1), "image.resnet": (32, 32, 1), "image.attention_cnn": (32, 32, 1),
    "signal.resnet": (96, 2), "signal.gru": (96, 2), "table.mlp": (9,),
}  # fmt: skip

QUICK = ("signal.gru", "table.mlp")


def network(name: str) -> keras.Model:
    """An architecture and its head, as a graph has them; weights that were learnt nowhere, but differ."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(SHAPES[name], name="sample")
    features = importlib.import_module(f"components.train.models.{name}").features(inputs, Train(width=16))
    places = tuple(range(1, features.ndim - 1))
    pooled = keras.ops.mean(features, axis=places) if places else features
    made = keras.Model([inputs], [keras.layers.Dense(1)(pooled)])
    random = np.random.default_rng(2)
    made.set_weights([weight + random.uniform(-0.03, 0.03, weight.shape) for weight in made.get_weights()])
    return made


def samples(name: str, count: int = 24, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, *SHAPES[name]), np.float32)


def exported(name: str, file: Path) -> Path:
    export(network(name), ["finding"], {"sample": samples(name, 3)}, file)
    return file


def to_int8(source: Path, name: str, file: Path) -> onnx.GraphProto:
    quantise(source, ({"sample": samples(name)[start : start + 8]} for start in (0, 8, 16)), file)
    return onnx.load(file).graph


def answer(file: Path, example: NDArray[np.float32]) -> NDArray[np.float32]:
    (found,) = ort.InferenceSession(file, providers=["CPUExecutionProvider"]).run(["finding"], {"sample": example})
    return np.asarray(found)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.accept) for name in SHAPES]
)
def test_every_architecture_but_its_head_is_computed_in_int8(name: str, tmp_path: Path) -> None:
    source = exported(name, tmp_path / "float.onnx")
    graph = to_int8(source, name, tmp_path / "int8.onnx")
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    small = [each for each in weights.values() if each.dtype == np.int8 and each.size > 100]
    assert small
    assert max(int(np.abs(each.astype(int)).max()) for each in small) <= 64, "of 8 bits no sum would be cut off"
    head = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")][-1]
    assert weights[head.input[1]].dtype == np.float32
    found, expected = (answer(file, samples(name, seed=1)) for file in (tmp_path / "int8.onnx", source))
    assert np.corrcoef(found[:, 0], expected[:, 0])[0, 1] > 0.98
    assert not np.array_equal(found, expected)


def test_equal_work_gives_equal_bytes(tmp_path: Path) -> None:
    for run in ("first", "second"):  # Keras counts its layers on, so the names inside differ
        to_int8(exported("image.resnet", tmp_path / f"{run}.onnx"), "image.resnet", tmp_path / run)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first").stat().st_size < 0.5 * (tmp_path / "first.onnx").stat().st_size


def test_a_graph_of_its_head_alone_is_left_as_it_is(tmp_path: Path) -> None:
    inputs = keras.Input((9,), name="sample")
    export(keras.Model([inputs], [keras.layers.Dense(1)(inputs)]), ["finding"], {"sample": samples("table.mlp", 3)},
           tmp_path / "float.onnx")  # fmt: skip
    with pytest.raises(NotQuantisable, match="no convolution or dense layer before its last one"):
        to_int8(tmp_path / "float.onnx", "table.mlp", tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()


@pytest.mark.parametrize(
    ("score", "refused"), [(0.9851, ""), (0.985, ""), (0.98499, "it loses 0.0050"), (np.nan, "nan")]
)
def test_more_than_five_thousandths_lost_is_refused(score: float, refused: str) -> None:
    said = refusal({"other": 0.5, "finding": score}, {"other": 0.5, "finding": 0.99})
    assert (refused in said) if refused else (said == "")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Development, list[Trained]]:
    """A net that a file in int8 is smaller of, on few samples."""
    settings = spec(folds=0, width=16, epochs=3, quantise="int8")
    development = Development(*datasets(tmp_path_factory.mktemp("int8") / "data", folds=0), settings)
    prepare(settings.train)
    (member,) = members(settings)
    learnt, judged = development.learnt(None), development.judged(None)
    work = tmp_path_factory.mktemp("work")
    return development, [train_member(member, learnt, judged, settings, work, lambda figures: None)]


def put_together(development: Development, trained: list[Trained], folder: Path) -> Model:
    folder.mkdir()
    assemble(trained, None, development, {}, folder)
    return Model(folder)


def test_what_is_served_is_fitted_to_what_it_says_itself(
    trained: tuple[Development, list[Trained]], tmp_path: Path
) -> None:
    development, nets = trained
    model = put_together(development, nets, tmp_path / "model")
    smaller = model.info.smaller
    assert smaller is not None
    assert [each.how for each in smaller.attempts if each.kept] == ["int8"]
    assert smaller.full.digest == file_digest(tmp_path / "model/full.onnx") != model.info.digest
    assert (tmp_path / "model/model.onnx").stat().st_size == smaller.attempts[0].bytes < smaller.full.bytes
    (kind,), validation = development.spec.targets.values(), development.cleaned.select("validation", ["image"])
    said = model.predict(validation[1])["finding"]
    truth, _ = kind.encode(validation[0]["finding"])
    figures = model.info.fitted["finding"]
    assert kind.score(said, truth) == pytest.approx(figures.validation_score)
    assert kind.fit_decision(said, truth, development.spec.train) == pytest.approx(figures.decision)
    full = model.full()
    assert full is not None
    assert not np.array_equal(full.predict(validation[1])["finding"], said)
    assert not np.allclose(model.shuffled(0).predict(validation[1])["finding"], said, atol=1e-3)


def test_a_net_that_int8_spoils_is_served_as_it_was(
    trained: tuple[Development, list[Trained]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One channel of huge values, which the head leaves out: in 8 bits nothing is left of the others."""
    development, (net,) = copy.copy(trained[0]), trained[1]
    weights = [weight.copy() for weight in net.weights]
    core = build_core(development.spec, development.all.fitted)
    head = next(at for at, each in enumerate(core.weights) if each.path.endswith("finding_head/kernel"))
    last = max(at for at in range(head) if weights[at].ndim == 4)
    weights[last][..., 0] *= 1e6
    weights[last + 1][0] = 1e6
    weights[head][0] = 0.0
    spoilt = Trained(net.member, weights, net.chosen, net.curves, net.precision)
    model = put_together(development, [spoilt], tmp_path / "model")
    smaller = model.info.smaller
    assert smaller is not None
    assert smaller.served is None
    assert "it loses" in smaller.attempts[0].refused
    assert "REFUSED" in capsys.readouterr().out
    assert model.info.digest == smaller.full.digest
    assert not (tmp_path / "model/full.onnx").exists()
    assert model.full() is None
    development.spec = spec(folds=0, width=16, epochs=3)
    plain = put_together(development, [spoilt], tmp_path / "plain").info
    assert (plain.digest, plain.fitted) == (model.info.digest, model.info.fitted)
    assert '"smaller"' not in (tmp_path / "plain/model.json").read_text(encoding="utf-8")


def test_a_net_of_few_numbers_is_no_smaller_in_int8(tiny_table: Workspace, tmp_path: Path) -> None:
    spec = load_spec(tiny_table.path / "task.yaml")
    settings = spec.model_copy(update={"train": spec.train.model_copy(update={"quantise": "int8"})})
    data = tiny_table.path / "data"
    development = Development(Dataset(data / "cleaned"), Dataset(data / "augmented"), settings)
    (member,) = members(settings)
    weights = build_core(settings, development.all.fitted).get_weights()
    net = Trained(member, weights, 0, [{"epoch": 1, "validation_score": 0.0}], "float32")
    smaller = put_together(development, [net], tmp_path / "model").info.smaller
    assert smaller is not None
    assert "its file is no smaller" in smaller.attempts[0].refused
    assert smaller.served is None
