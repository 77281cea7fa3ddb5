"""What this project's operator has beyond its first executable definition, in float64 and as plainly: the rank `loss`,
the bounded rank `gap`, and blocks of their own for what no whole tile covers.

`extend(oracle)` gives a module of the first definition these meanings: its `head`, `select`, `tile_order` and `blocks`
then follow them. Sizes: n_q query blocks, n_k key blocks, D head size.
"""
import itertools

import numpy as np


def free_energy(variance, n):
    """ln of the mean of e^x over n Gaussian x of this variance about 0 (random energy model, B. Derrida 1981)."""
    bound = np.log(n)
    return np.where(variance <= 2 * bound, variance / 2, np.sqrt(2 * bound * np.maximum(variance, 0)) - bound)


def variance_of(energy, n):
    """The variance whose free energy this is."""
    bound = np.log(n)
    return np.where(energy <= bound, 2 * energy, (energy + bound) ** 2 / np.maximum(2 * bound, 1e-300))


def excess_under_mean(mean_q, q, qb, k, kb, key_mask, scale, rank):
    """[n_q, n_k]: by how much ln of a block's mass passes what its one mean key says."""
    out = np.zeros((len(qb), len(kb)))
    for j, cols in enumerate(kb):
        keys = k[cols][key_mask[cols]]
        if not len(keys):
            continue
        z = scale * mean_q @ keys.T
        if rank == "gap":
            out[:, j] = np.minimum(z.var(1) / 2, np.log(len(keys)))
            continue
        top = z.max(1)
        under = top + np.log(np.exp(z - top[:, None]).mean(1)) - z.mean(1)
        about = np.array([scale ** 2 * q[rows].var(0) @ keys.var(0) for rows in qb])
        out[:, j] = free_energy(variance_of(np.maximum(under, 0), len(keys)) + about, len(keys))
    return out


def boxes(lower, upper, step):
    """The boxes of `step` in [lower, upper), frames slowest; those at the far edges are smaller."""
    for corner in itertools.product(*(range(a, b, s) for a, b, s in zip(lower, upper, step))):
        yield tuple(slice(c, min(c + s, b)) for c, s, b in zip(corner, step, upper))


def parts(grid, tile):
    """Whole tiles, then what is left beyond the last column of tiles, row of tiles, frame of tiles: (boxes' step, box)."""
    whole = [g // t * t for g, t in zip(grid, tile)]
    yield tile, (0, 0, 0), whole
    for axis in (2, 1, 0):
        lower, upper = [0, 0, 0], list(grid)
        lower[axis] = whole[axis]
        upper[:axis] = whole[:axis]
        thin, sides = upper[axis] - lower[axis], [a for a in range(3) if a != axis]
        doublings = 1
        while max(thin, 1) * tile[sides[0]] * tile[sides[1]] * doublings * 2 <= np.prod(tile):
            doublings *= 2
        ways = []
        for first in (2 ** i for i in range(doublings.bit_length())):
            step = list(tile)
            step[axis], step[sides[0]], step[sides[1]] = thin, tile[sides[0]] * first, tile[sides[1]] * (doublings // first)
            count = np.prod([-(-(upper[s] - lower[s]) // step[s]) for s in sides])
            ways.append((count, max(step[s] for s in sides), step[sides[0]], step))
        yield min(ways)[-1], lower, upper


def cut_boxes(segment, tile, size):
    """Runs of the segment's own token numbers, one a block."""
    ids, runs = np.arange(segment.length).reshape(segment.grid), []
    together = max(1, size // int(np.prod(tile)))
    for step, lower, upper in parts(segment.grid, tile):
        if any(a >= b for a, b in zip(lower, upper)):
            continue
        found = [ids[box].ravel() for box in boxes(lower, upper, step)]
        for i in range(0, len(found), together):
            run = np.concatenate(found[i:i + together])
            runs += [run[a:a + size] for a in range(0, len(run), size)]
    return runs


def extend(oracle):
    """Adds the rank `loss` to `oracle`, bounds its `gap`."""
    def gap(q, qb, mean_q, mean_k, k, kb, key_mask, scale, size):
        excess = excess_under_mean(mean_q, q, qb, k, kb, key_mask, scale, oracle.rank)
        logits = scale * q @ mean_k.T + size + np.repeat(excess, [b.stop - b.start for b in qb], 0)
        mass = oracle.softmax(logits)
        return np.stack([mass[b].mean(0) for b in qb]) * -np.expm1(-excess)

    select = oracle.select

    def ranked_select(q, k, q_segments, k_segments, policy, **rest):
        oracle.rank = policy.rank
        return select(q, k, q_segments, k_segments, policy, **rest)

    oracle.gap, oracle.select = gap, ranked_select


def use_edges(oracle, edges, tile, size_q, size_k):
    """Lets `oracle` cut by `edges`; `tile_order` and `blocks` are asked in turn for queries and keys of these sizes."""
    def runs(segments, size):
        start = 0
        for s in segments:
            if edges == "boxes" and tile is not None and s.grid is not None and s.kind != "text":
                yield from ((s.kind, start + run) for run in cut_boxes(s, tile, size))
            else:
                order = oracle.first_tile_order([s], tile)
                yield from ((s.kind, start + order[a:a + size]) for a in range(0, s.length, size))
            start += s.length

    def blocks(segments, size):
        cuts, kinds, start = [], [], 0
        for kind, run in runs(segments, size):
            cuts.append(slice(start, start + len(run)))
            kinds.append(kind)
            start += len(run)
        return cuts, kinds

    if not hasattr(oracle, "first_tile_order"):
        oracle.first_tile_order = oracle.tile_order
    sizes = itertools.cycle((size_q, size_k))
    oracle.blocks = blocks
    oracle.tile_order = lambda segments, tile: np.concatenate([run for _, run in runs(segments, next(sizes))])
