from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.negative_condition import WeightsError, any_of, blend, build, load, pool, round_to_bfloat16, save

SIZE = NEGATIVE_CONDITION.size
MAP = NEGATIVE_CONDITION.outputs[2].shape[1:]
HEADS = ("pyramid", "defects", "tie")
"""What the network has beside a torchvision resnet18."""


def batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in vectors} | {f"{name}.num_batches_tracked": ()}


def torchvision_resnet18() -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's resnet18 state dict, its fc aside: 120 entries."""
    names: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)} | batch_norm("bn1", 64)
    before = 64
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            prefix = f"layer{stage}.{block}"
            names[f"{prefix}.conv1.weight"] = (channels, before, 3, 3)
            names |= batch_norm(f"{prefix}.bn1", channels)
            names[f"{prefix}.conv2.weight"] = (channels, channels, 3, 3)
            names |= batch_norm(f"{prefix}.bn2", channels)
            if block == 0 and stage > 1:
                names[f"{prefix}.downsample.0.weight"] = (channels, before, 1, 1)
                names |= batch_norm(f"{prefix}.downsample.1", channels)
            before = channels
    return names


def test_state_dict_has_the_names_and_shapes_of_torchvisions_resnet18() -> None:
    ours = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    trunk = torchvision_resnet18()
    fc = {"fc.weight": (2, 512), "fc.bias": (2,)}
    assert len(trunk | fc) == 122
    heads = {name for name in ours if name.split(".")[0] in HEADS}
    assert {name: shape for name, shape in ours.items() if name not in heads} == trunk | fc


def test_a_picture_gives_logits_of_the_shapes_that_the_spec_promises() -> None:
    network = build().eval()
    with torch.no_grad():
        logits = network(torch.rand(2, 3, SIZE, SIZE))
    shapes = {tensor.name: tensor.shape for tensor in NEGATIVE_CONDITION.outputs}
    assert tuple(logits.condition.shape) == (2, *shapes["SCORES"])
    assert tuple(logits.defects.shape) == (2, *shapes["DEFECTS"])
    assert tuple(logits.places.shape) == (2, *shapes["DEFECT_MAP"])


def test_pooling_lies_between_mean_and_largest_and_keeps_a_constant() -> None:
    places = torch.randn(5, len(DEFECTS), *MAP, generator=torch.Generator().manual_seed(1))
    pooled = pool(places)
    assert (pooled > places.mean((2, 3))).all()
    assert (pooled < places.amax((2, 3))).all()
    torch.testing.assert_close(pool(torch.full((1, 1, *MAP), 2.5)), torch.full((1, 1), 2.5))


def test_one_place_is_enough_to_name_a_defect() -> None:
    places = torch.full((1, 1, *MAP), -4.0)
    places[0, 0, 3, 3] = 4.0
    assert pool(places).item() > 0


def test_any_of_is_the_noisy_or_of_independent_defects() -> None:
    defects = torch.randn(20, len(DEFECTS), generator=torch.Generator().manual_seed(2)) * 3
    none = (1 - defects.sigmoid()).prod(1, keepdim=True)
    torch.testing.assert_close(any_of(defects).sigmoid(), 1 - none)
    assert torch.isfinite(any_of(torch.tensor([[-90.0] * 6, [90.0] * 6]))).all()


def test_the_verdict_follows_the_defects() -> None:
    network = build().eval()
    readable = []
    for bias in (-6.0, 0.0, 6.0):
        torch.nn.init.constant_(network.defects.bias, bias)
        with torch.no_grad():
            condition = network(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))).condition
        readable.append(condition.softmax(1)[0, NEGATIVE_CONDITION.positive_index].item())
    assert readable[0] > readable[1] > readable[2]


def test_the_same_seed_builds_the_same_network() -> None:
    one, same, other = (build(seed).state_dict()["conv1.weight"] for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_saved_weights_come_back_as_half_precision_holds_them(tmp_path: Path) -> None:
    network = build(5)
    save(network, tmp_path / "a" / "n.safetensors")
    again = load(tmp_path / "a" / "n.safetensors")
    assert not again.training
    for name, value in network.state_dict().items():
        kept = again.state_dict()[name]
        assert kept.dtype == value.dtype
        assert torch.equal(kept, value.half().to(value.dtype) if value.is_floating_point() else value)
    assert (tmp_path / "a" / "n.safetensors").stat().st_size == pytest.approx(2 * 11_444_048, rel=0.01)


def test_rounded_weights_are_what_bfloat16_holds_once_batch_norm_is_folded_in() -> None:
    network = build(6).eval()
    generator = torch.Generator().manual_seed(6)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2.0, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    before = network.layer2[0].conv1.weight.clone()

    round_to_bfloat16(network)

    after, norm = network.layer2[0].conv1.weight, network.layer2[0].bn1
    folded = after * (norm.weight / torch.sqrt(norm.running_var + norm.eps)).view(-1, 1, 1, 1)
    torch.testing.assert_close(folded, folded.bfloat16().float(), rtol=1e-5, atol=0)
    torch.testing.assert_close(after, before, rtol=2**-8, atol=0)
    assert not torch.equal(after, before)
    assert torch.equal(network.defects.weight, network.defects.weight.bfloat16().float())


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path: Path) -> None:
    network = build()
    with torch.no_grad():
        network.fc.bias[0] = 1e6
    with pytest.raises(WeightsError, match=r"fc\.bias"):
        save(network, tmp_path / "n.safetensors")
    assert not (tmp_path / "n.safetensors").exists()


def test_loading_says_which_file_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent.*does not exist"):
        load(tmp_path / "absent.safetensors")
    (tmp_path / "garbage.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"garbage.*cannot be read"):
        load(tmp_path / "garbage.safetensors")
    save_file({"conv9.weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"other.*does not hold the weights"):
        load(tmp_path / "other.safetensors")


def test_torchvision_style_weights_load_into_the_trunk(tmp_path: Path) -> None:
    save(build(7), tmp_path / "n.safetensors")
    stored = {
        k: torch.from_numpy(v) for k, v in load_file(tmp_path / "n.safetensors").items() if k.split(".")[0] not in HEADS
    }
    network = build(8)
    missing = network.load_state_dict(stored, strict=False)
    assert {name.split(".")[0] for name in missing.missing_keys} == set(HEADS)
    assert not missing.unexpected_keys


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_blend_lies_between_the_two_networks(share: float) -> None:
    network, start = build(seed=1), build(seed=2)
    ended = {name: value.clone() for name, value in network.state_dict().items()}
    begun = {name: value.clone() for name, value in start.state_dict().items()}
    blend(network, start, share)
    for name, value in network.state_dict().items():
        moved = share * (begun[name] - ended[name]) if value.is_floating_point() else 0
        torch.testing.assert_close(value, ended[name] + moved)
    assert all(torch.equal(value, begun[name]) for name, value in start.state_dict().items())
