"""Make a GAN's images agree with a text, in three ways: `python examples/climb_a_reward.py`, about a minute.

The reward is what a CLIP model says of a prompt. DGflow follows it as if it were a critic; ReNO climbs it with momentum
and keeps the best image on the way; best of k only chooses. A classifier that had no part in it judges.
"""

from pathlib import Path

import torch

import wasserflow as wf
from wasserflow.metrics import extract_features
from wasserflow.potentials import ClipLogProbability
from wasserflow.reports import image_grid, side_by_side
from wasserflow.spaces import Generated

OUT = Path("runs/examples")
N, STEPS = 64, 25
HORSE = 7  # its number among the classes of CIFAR-10
OTHERS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "ship", "truck"]

pair, clip = wf.zoo.load("cifar10-sndcgan"), wf.zoo.load("cifar10-clip").model
judge = wf.zoo.load("cifar10-resnet").model
(generator,) = wf.prepare(pair.generator)
reward = ClipLogProbability(clip, "a photo of a horse", against=[f"a photo of a {name}" for name in OTHERS])
z = pair.prior.sample(N, seed=0)
with torch.no_grad():
    plain = generator(z)

results = {
    "as they are": plain,
    "DGflow": wf.refine(reward, z, generator, integrator=wf.EulerMaruyama(0.5), steps=STEPS).samples,
    "ReNO": wf.methods.reno(reward, z, generator, steps=STEPS).samples,
    "best of k": wf.methods.best_of(Generated(generator, pair.prior).sample, reward, N, k=2 * STEPS).samples,
}
print(f"{'':>12}  log p(prompt | image)  seen as horses by the judge")
for name, images in results.items():
    with torch.no_grad():
        seen = (extract_features(judge, images.clamp(-1, 1)).argmax(dim=1) == HORSE).double().mean()
        print(f"{name:>12}  {float(reward(images).mean()):21.2f}  {100 * float(seen):24.1f} %")

OUT.mkdir(parents=True, exist_ok=True)
grids = [image_grid(images[:16], columns=4) for images in results.values()]
side_by_side(grids, list(results)).save(OUT / "horses.png")
print(f"open {OUT / 'horses.png'}")
