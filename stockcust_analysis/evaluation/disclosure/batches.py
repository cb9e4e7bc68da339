"""How branches are dealt into batches, so that any two of one branch have no other in common."""

from __future__ import annotations

from math import ceil, sqrt

Batches = list[list[int]]
_LARGEST = 10


def batches_of(branches: int) -> Batches:
    """Return batches of branches: any two branches are kept apart by a batch of either.

    Few branches are all but one, each left out in turn: larger batches need fewer cells. From nine
    on, branches stand in squares; rows and columns are the batches, and two branches share at most
    one of them.

    >>> batches_of(3)
    [[1, 2], [0, 2], [0, 1]]
    >>> batches_of(9)[:4]
    [[0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 1, 2]]
    """
    if branches < 9:
        everyone = range(branches)
        return [[b for b in everyone if b != left] or [left] for left in everyone]
    squares = squares_of(branches, _LARGEST)
    return [batch for rows, columns in squares for batch in rows + columns]


def squares_of(branches: int, largest: int) -> list[tuple[Batches, Batches]]:
    """Return the rows and the columns of squares in which branches stand.

    >>> squares_of(9, 10)
    [([[0, 3, 6], [1, 4, 7], [2, 5, 8]], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])]
    """
    squares = ceil(branches / largest**2)
    found = []
    for square in range(squares):
        inside = list(range(square, branches, squares))
        width = ceil(len(inside) / ceil(sqrt(len(inside))))
        columns = [inside[start : start + width] for start in range(0, len(inside), width)]
        rows = [inside[row::width] for row in range(width)]
        # One left over stands in the first column but its own row: with the next row's branch.
        found.append((rows, [c if len(c) > 1 else [inside[1], c[0]] for c in columns]))
    return found
