"""The losses of mass-mapping networks and their weights, one map and one pixel at a time."""

import math
from itertools import permutations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max


def pixels(kappa):
    height, width = kappa.shape
    return [(row, column) for row in range(height) for column in range(width)]


def as_map(kappa, weight):
    weights = np.zeros(kappa.shape)
    for pixel in pixels(kappa):
        weights[pixel] = weight(*pixel)
    return weights


def focal_weight(kappa):
    highest = max(kappa[pixel] for pixel in pixels(kappa))
    return as_map(kappa, lambda *pixel: (max(kappa[pixel] / highest, -1) + 1) / 2 if highest > 0 else 0.5)


def local_weight(kappa, window=8, share=0.3):
    ranked = sorted((kappa[pixel] for pixel in pixels(kappa)), reverse=True)
    least = ranked[round(share * len(ranked)) - 1]
    before = (window - 1) // 2

    def weight(row, column):
        top, left = row - before, column - before
        around = kappa[max(top, 0) : top + window, max(left, 0) : left + window]
        value = kappa[row, column]
        return (value / around.max() + 1) / 2 if value >= least and value > 0 else 0.5

    return as_map(kappa, weight)


def peaks(kappa, n_peaks):
    smooth = gaussian_filter(kappa.astype(np.float32), 3)
    return smooth, [tuple(peak) for peak in peak_local_max(smooth, num_peaks=n_peaks)]


def peaks_weight(kappa, n_peaks=5, radius=3):
    _, found = peaks(kappa, n_peaks)
    return as_map(kappa, lambda row, column: any(abs(row - r) + abs(column - c) < radius for r, c in found))


def structure_weight(kappa, half_width=0.001):
    return as_map(kappa, lambda *pixel: abs(kappa[pixel] - kappa.mean()) <= half_width)


def edges_weight(kappa, width=5):
    height, across = kappa.shape
    return as_map(kappa, lambda row, column: min(row, column, height - 1 - row, across - 1 - column) < width)


def mse(truth, guess):
    return sum((guess[pixel] - truth[pixel]) ** 2 for pixel in pixels(truth))


def focal(truth, guess):
    weight = focal_weight(truth)
    return sum(weight[pixel] * (guess[pixel] - truth[pixel]) ** 2 for pixel in pixels(truth))


def multifocal(truth, guess):
    parts = [
        (1, focal_weight(truth)),
        (2, local_weight(truth)),
        (3, peaks_weight(truth)),
        (1.5, structure_weight(truth)),
        (1, edges_weight(truth)),
    ]
    total = 0.0
    for pixel in pixels(truth):
        weight = sum(a * part[pixel] for a, part in parts) / sum(a for a, _ in parts)
        total += weight * (guess[pixel] - truth[pixel]) ** 2
    return total


def dicee(truth, guess, temperature=0.3):
    true_mean, mean = truth.mean(), guess.mean()
    spread = math.sqrt(((guess - mean) ** 2).mean() + 0.001**2)
    both = only_guess = only_truth = 0.0
    for pixel in pixels(truth):
        inside = 1 / (1 + math.exp(min((mean - guess[pixel]) / (temperature * spread), 700)))
        if truth[pixel] > true_mean:
            both += inside
            only_truth += 1 - inside
        else:
            only_guess += inside
    return 1 - both / (both + only_guess / 2 + only_truth / 2)


def dpeaks(truth, guess, temperature=0.01, candidates=32):
    _, targets = peaks(truth, 3)
    smooth, places = peaks(guess, candidates)
    distances, odds = [], []
    for row, column in places:
        near = [(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        shares = [
            math.exp((float(smooth[pixel]) - float(smooth[row, column])) / temperature) for pixel in near
        ]
        distances.append(
            [
                sum(
                    share * (abs(r - to_row) + abs(c - to_column))
                    for share, (r, c) in zip(shares, near, strict=True)
                )
                / sum(shares)
                for to_row, to_column in targets
            ]
        )
        odds.append(math.exp((float(smooth[row, column]) - float(smooth[places[0]])) / temperature))
    total, everything = 0.0, sum(odds)
    for first, second, third in permutations(range(len(places)), 3):
        rest = everything - odds[first]
        chance = odds[first] / everything * odds[second] / rest * odds[third] / (rest - odds[second])
        total += chance * (distances[first][0] + distances[second][1] + distances[third][2])
    return total
