"""Consistency models of diffusers as generators, on tiny real pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.models.adapters import load_one_step
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

diffusers = pytest.importorskip("diffusers")


def pipeline(classes: int | None = None, **schedule: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = diffusers.UNet2DModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=4,
            down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
            num_class_embeds=classes,
        )
    pipe = diffusers.ConsistencyModelPipeline(unet.eval(), diffusers.CMStochasticIterativeScheduler(**schedule))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def theirs(pipe: Any, z: Tensor, labels: list[int] | None = None) -> Tensor:
    """The pipeline's own images of this noise, brought from [0, 1] to [-1, 1]."""
    out = pipe(batch_size=len(z), latents=z, num_inference_steps=1, class_labels=labels, output_type="pt")
    return 2 * out.images - 1


@pytest.mark.parametrize(
    "schedule",
    [{}, {"sigma_max": 20.0, "sigma_data": 1.0, "sigma_min": 0.1}, {"clip_denoised": False}, {"sigma_max": 0.5}],
)
def test_it_makes_the_pipeline_s_own_images(tmp_path: Path, schedule: dict[str, Any]) -> None:
    pipe = pipeline(**schedule)
    pipe.save_pretrained(tmp_path / "cm")
    z = wf.spaces.Normal((3, 8, 8)).sample(4, seed=3)
    expected = theirs(pipe, z)
    assert expected.std() > 0.05
    for generator in (load_one_step(pipe), load_one_step(tmp_path / "cm"), load_one_step(str(tmp_path / "cm"))):
        assert generator.latent_shape == (3, 8, 8)
        assert not generator.training
        torch.testing.assert_close(generator(z), expected, rtol=1e-5, atol=1e-5)


def test_the_pipeline_is_left_as_it_is() -> None:
    pipe, z = pipeline(), wf.spaces.Normal((3, 8, 8)).sample(2)
    pipe.scheduler.set_timesteps(5)
    before = pipe.scheduler.timesteps.tolist()
    generator = load_one_step(pipe)
    generator(z)
    assert pipe.scheduler.timesteps.tolist() == before
    assert pipe.scheduler.step_index is None


def test_classes() -> None:
    pipe, z = pipeline(classes=3), wf.spaces.Normal((3, 8, 8)).sample(3, seed=1)
    labels = torch.tensor([2, 0, 1])
    mixed = theirs(pipe, z, [2, 0, 1])
    torch.testing.assert_close(load_one_step(pipe, class_label=2)(z)[:1], mixed[:1], rtol=1e-5, atol=1e-5)
    bound = wf.models.bind_label(load_one_step(pipe), labels)
    torch.testing.assert_close(bound(z), mixed, rtol=1e-5, atol=1e-5)
    assert (load_one_step(pipe, class_label=0)(z)[0] - mixed[0]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="class-conditional; give class_label, or"):
        load_one_step(pipe)(z)
    with pytest.raises(ValueError, match="class_label is 3, but the pipeline knows the classes 0 to 2"):
        load_one_step(pipe, class_label=3)
    with pytest.raises(ValueError, match="class_label is 0, but the pipeline has no classes"):
        load_one_step(pipeline(), class_label=0)


def test_the_gradient_in_the_noise_is_that_of_a_finite_difference() -> None:
    generator = load_one_step(pipeline()).double()
    prior = wf.spaces.Normal(generator.latent_shape)
    z, direction = prior.sample(2, seed=4, dtype=torch.float64), prior.sample(2, seed=5, dtype=torch.float64)
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(generator(z).square().sum(), z)
    with torch.no_grad():
        high, low = (generator(z + h * direction).square().sum() for h in (1e-5, -1e-5))
    along = (gradient * direction).sum()
    assert along.abs() > 1e-3
    torch.testing.assert_close((high - low) / 2e-5, along, rtol=1e-5, atol=1e-7)


def test_refinement_raises_the_score() -> None:
    generator = load_one_step(pipeline())
    z = wf.spaces.Normal(generator.latent_shape).sample(4, seed=2)

    def critic(x: Tensor) -> Tensor:
        return -(x - 0.3).square().sum(dim=(1, 2, 3))

    r = wf.refine(critic, z, generator, integrator=wf.EulerMaruyama(0.1), steps=20)
    assert r.evaluations == 80
    assert bool((critic(r.samples) > critic(generator(z)) + 1).all())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in generator.parameters())


def test_a_fast_copy_is_the_same() -> None:
    generator = load_one_step(pipeline(classes=2), class_label=1)
    fast, _ = wf.prepare(generator, torch.nn.Identity())
    z = wf.spaces.Normal(generator.latent_shape).sample(2, seed=6)
    torch.testing.assert_close(fast(z), generator(z), rtol=1e-4, atol=1e-5)


def test_a_network_in_train_mode_stays_so_and_is_noticed() -> None:
    pipe = pipeline()
    pipe.unet.train()
    pipe.unet.mid_block.resnets[0].dropout.p = 0.5
    generator = load_one_step(pipe)
    assert generator.training
    assert pipe.unet.training
    with pytest.raises(ValueError, match="train mode"):
        wf.refine(lambda x: x.sum((1, 2, 3)), torch.zeros(1, 3, 8, 8), generator, steps=1)


def test_it_is_saved_in_a_card(tmp_path: Path) -> None:
    recipes = {"generator": Recipe("load_one_step", {"class_label": 1})}
    card = Card("tiny", "", "", "", "", recipes, prior=Recipe("Normal", {"shape": [3, 8, 8]}))
    generator = load_one_step(pipeline(classes=2), class_label=1)
    save_pretrained(tmp_path / "saved", card, {"generator": generator})
    back = load_pretrained(tmp_path / "saved")
    z = back.prior.sample(2)
    torch.testing.assert_close(back.generator(z), generator(z))


def test_pipelines_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent is neither a folder nor a name on the hub with a pipeline"):
        load_one_step(tmp_path / "absent")
    ddpm = diffusers.DDPMPipeline(pipeline().unet, diffusers.DDPMScheduler())
    ddpm.save_pretrained(tmp_path / "ddpm")
    with pytest.raises(ValueError, match="ddpm is a DDPMPipeline; give a ConsistencyModelPipeline"):
        load_one_step(tmp_path / "ddpm")
    with pytest.raises(TypeError, match="DDPMPipeline with DDPMScheduler makes no images in one step"):
        load_one_step(ddpm)
    pipeline().save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(ValueError, match="pickled is neither"):
        load_one_step(tmp_path / "pickled")
    pipeline().save_pretrained(tmp_path / "broken")
    weights = tmp_path / "broken/unet/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="broken is neither"):
        load_one_step(tmp_path / "broken")
    index = tmp_path / "broken/model_index.json"
    index.write_text(json.dumps({"_class_name": "ConsistencyModelPipeline"}))
    with pytest.raises(ValueError, match="broken is neither"):
        load_one_step(tmp_path / "broken")
