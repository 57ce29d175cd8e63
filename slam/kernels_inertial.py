"""The filter's algebra compiled: propagation through the IMU samples of a scan, and one step of the update.

Every kernel has its definition in plain NumPy (`slam/state.py`, `slam/propagation.py`, `slam/filter.py`), to which
the tests hold it. States are packed vectors (36,), see `State.packed`.
"""

import numpy as np
from numba import njit

from slam.kernels_hash import JIT

SMALL_ANGLE = 1e-5  # rad; below it the series replace the closed forms
BASIS_POLE = 1e-11
PARALLEL = 1e-11


@njit(**JIT)
def _series_into(v, a, b, out):
    """I + a [v]x + b [v]x^2."""
    x, y, z = v[0], v[1], v[2]
    out[0, 0] = 1.0 - b * (y * y + z * z)
    out[1, 1] = 1.0 - b * (x * x + z * z)
    out[2, 2] = 1.0 - b * (x * x + y * y)
    out[0, 1], out[1, 0] = b * x * y - a * z, b * x * y + a * z
    out[0, 2], out[2, 0] = b * x * z + a * y, b * x * z - a * y
    out[1, 2], out[2, 1] = b * y * z - a * x, b * y * z + a * x


@njit(**JIT)
def _product_into(A, B, out):
    for i in range(3):
        for j in range(3):
            out[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]


@njit(**JIT)
def _symmetrise(P):
    n = P.shape[0]
    for i in range(n):
        for j in range(i):
            P[i, j] = P[j, i] = 0.5 * (P[i, j] + P[j, i])


@njit(**JIT)
def exp_so3_into(v, R):
    """Rotation matrix of a rotation vector, written to `R` (3, 3)."""
    square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    angle = np.sqrt(square)
    if angle < SMALL_ANGLE:
        a, b = 1.0 - square / 6.0, 0.5 - square / 24.0
    else:
        a, b = np.sin(angle) / angle, (1.0 - np.cos(angle)) / square
    _series_into(v, a, b, R)


@njit(**JIT)
def left_jacobian_into(v, J):
    """Left Jacobian of SO(3), written to `J` (3, 3)."""
    square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    angle = np.sqrt(square)
    if angle < SMALL_ANGLE:
        a, b = 0.5 - square / 24.0, 1.0 / 6.0 - square / 120.0
    else:
        a, b = (1.0 - np.cos(angle)) / square, (angle - np.sin(angle)) / (angle * square)
    _series_into(v, a, b, J)


@njit(**JIT)
def log_between_into(A, B, v):
    """Rotation vector of A^T B, written to `v`; exact near 0 and near pi."""
    R = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            R[i, j] = A[0, i] * B[0, j] + A[1, i] * B[1, j] + A[2, i] * B[2, j]
    trace = R[0, 0] + R[1, 1] + R[2, 2]
    q = np.empty(4)
    if trace > 0.0:
        q[3] = 1.0 + trace
        q[0], q[1], q[2] = R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]
    else:
        i = 0
        for candidate in range(1, 3):
            if R[candidate, candidate] > R[i, i]:
                i = candidate
        j, k = (i + 1) % 3, (i + 2) % 3
        q[i] = 1.0 + R[i, i] - R[j, j] - R[k, k]
        q[j], q[k] = R[i, j] + R[j, i], R[i, k] + R[k, i]
        q[3] = R[k, j] - R[j, k]
    sine = np.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2])
    scale = 2.0 / abs(q[3]) if sine < 1e-12 * abs(q[3]) else 2.0 * np.arctan2(sine, abs(q[3])) / sine
    if q[3] < 0.0:
        scale = -scale
    for axis in range(3):
        v[axis] = scale * q[axis]


@njit(**JIT)
def s2_basis_into(g, B):
    """Two orthonormal columns across `g`, written to `B` (3, 2)."""
    x, y, z = g[0], g[1], g[2]
    length = np.sqrt(x * x + y * y + z * z)
    if x + length < BASIS_POLE:
        B[:, :] = 0.0
        B[1, 1], B[2, 0] = -1.0, 1.0
        return
    across = -y * z / (length + x) / length
    B[0, 0], B[0, 1] = -y / length, -z / length
    B[1, 0], B[1, 1] = 1.0 - y * y / (length + x) / length, across
    B[2, 0], B[2, 1] = across, 1.0 - z * z / (length + x) / length


@njit(**JIT)
def boxplus_into(x, delta, out):
    """`out` = the packed state `x` moved by the error `delta` (23,); `out` may not be `x`."""
    E, B, axis = np.empty((3, 3)), np.empty((3, 2)), np.empty(3)
    for i in range(3):
        out[i] = x[i] + delta[i]
        out[21 + i] = x[21 + i] + delta[9 + i]
    for i in range(9):
        out[24 + i] = x[24 + i] + delta[12 + i]
    for block in range(2):
        exp_so3_into(delta[3 + 3 * block : 6 + 3 * block], E)
        start = 3 + 9 * block
        _product_into(x[start : start + 9].reshape(3, 3), E, out[start : start + 9].reshape(3, 3))
    s2_basis_into(x[33:36], B)
    for i in range(3):
        axis[i] = B[i, 0] * delta[21] + B[i, 1] * delta[22]
    exp_so3_into(axis, E)
    for i in range(3):
        out[33 + i] = E[i, 0] * x[33] + E[i, 1] * x[34] + E[i, 2] * x[35]


@njit(**JIT)
def boxminus_into(x, origin, d):
    """`d` (23,) = the error that leads from the packed state `origin` to `x`."""
    for i in range(3):
        d[i] = x[i] - origin[i]
        d[9 + i] = x[21 + i] - origin[21 + i]
    for i in range(9):
        d[12 + i] = x[24 + i] - origin[24 + i]
    log_between_into(origin[3:12].reshape(3, 3), x[3:12].reshape(3, 3), d[3:6])
    log_between_into(origin[12:21].reshape(3, 3), x[12:21].reshape(3, 3), d[6:9])
    g, g0, cross, B = x[33:36], origin[33:36], np.empty(3), np.empty((3, 2))
    cross[0] = g0[1] * g[2] - g0[2] * g[1]
    cross[1] = g0[2] * g[0] - g0[0] * g[2]
    cross[2] = g0[0] * g[1] - g0[1] * g[0]
    sine = np.sqrt(cross[0] ** 2 + cross[1] ** 2 + cross[2] ** 2)
    scale = 0.0
    if sine >= PARALLEL:
        scale = np.arctan2(sine, g[0] * g0[0] + g[1] * g0[1] + g[2] * g0[2]) / sine
    s2_basis_into(g0, B)
    for j in range(2):
        d[21 + j] = scale * (B[0, j] * cross[0] + B[1, j] * cross[1] + B[2, j] * cross[2])


@njit(**JIT)
def spd_inverse_into(A, out):
    """Inverse of a symmetric positive definite matrix by Cholesky's factors; False where it is not one."""
    n = A.shape[0]
    L = np.zeros((n, n))
    for j in range(n):
        for i in range(j, n):
            total = A[i, j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            if i == j:
                if not total > 0.0 or total == np.inf:
                    return False
                L[j, j] = np.sqrt(total)
            else:
                L[i, j] = total / L[j, j]
    for j in range(n):  # L becomes its own inverse, column by column
        L[j, j] = 1.0 / L[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for k in range(j, i):
                total -= L[i, k] * L[k, j]
            L[i, j] = total / L[i, i]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, n):
                total += L[k, i] * L[k, j]
            out[i, j] = out[j, i] = total
    return True


@njit(**JIT)
def _record(x, R, p, v):
    for i in range(3):
        p[i], v[i] = x[i], x[24 + i]
        for j in range(3):
            R[i, j] = x[3 + 3 * i + j]


@njit(**JIT)
def _propagate_covariance(P, E, A, V, U, R, dt, noise):
    """P <- F P F^T + G Q G^T. Only the rows of position, velocity and rotation of F differ from the identity.

    The order matters: each row is built from rows that still hold their old values.
    """
    for c in range(23):
        for i in range(3):
            P[i, c] += dt * P[12 + i, c]
        for i in range(3):
            P[12 + i, c] += (
                V[i, 0] * P[3, c]
                + V[i, 1] * P[4, c]
                + V[i, 2] * P[5, c]
                - dt * (R[i, 0] * P[18, c] + R[i, 1] * P[19, c] + R[i, 2] * P[20, c])
                + U[i, 0] * P[21, c]
                + U[i, 1] * P[22, c]
            )
        t0, t1, t2 = P[3, c], P[4, c], P[5, c]
        for i in range(3):
            P[3 + i, c] = (
                E[i, 0] * t0
                + E[i, 1] * t1
                + E[i, 2] * t2
                - dt * (A[i, 0] * P[15, c] + A[i, 1] * P[16, c] + A[i, 2] * P[17, c])
            )
    for r in range(23):
        for i in range(3):
            P[r, i] += dt * P[r, 12 + i]
        for i in range(3):
            P[r, 12 + i] += (
                V[i, 0] * P[r, 3]
                + V[i, 1] * P[r, 4]
                + V[i, 2] * P[r, 5]
                - dt * (R[i, 0] * P[r, 18] + R[i, 1] * P[r, 19] + R[i, 2] * P[r, 20])
                + U[i, 0] * P[r, 21]
                + U[i, 1] * P[r, 22]
            )
        t0, t1, t2 = P[r, 3], P[r, 4], P[r, 5]
        for i in range(3):
            P[r, 3 + i] = (
                E[i, 0] * t0
                + E[i, 1] * t1
                + E[i, 2] * t2
                - dt * (A[i, 0] * P[r, 15] + A[i, 1] * P[r, 16] + A[i, 2] * P[r, 17])
            )
    square = dt * dt
    for i in range(3):
        for j in range(3):
            P[3 + i, 3 + j] += square * noise[0] * (A[i, 0] * A[j, 0] + A[i, 1] * A[j, 1] + A[i, 2] * A[j, 2])
        P[12 + i, 12 + i] += square * noise[1]
        P[15 + i, 15 + i] += square * noise[2]
        P[18 + i, 18 + i] += square * noise[3]


@njit(**JIT)
def propagate(x, P, dts, gyro, accel, noise, R_all, p_all, v_all, a_all, w_all):
    """Carry the packed state `x` and its covariance `P` (23, 23) through n intervals, in place.

    `gyro` and `accel` (n, 3) are the inputs of each interval, `noise` the variances of gyro, accelerometer and their
    biases. Row k of `R_all`, `p_all`, `v_all` (n + 1 rows) is the state at time k, row k of `a_all` (in W) and
    `w_all` (in I) the motion in interval k; their last row repeats the one before.
    """
    n = len(dts)
    R, g = x[3:12].reshape(3, 3), x[33:36]
    E, A, V, U, B, R_next = (
        np.empty((3, 3)),
        np.empty((3, 3)),
        np.empty((3, 3)),
        np.empty((3, 2)),
        np.empty((3, 2)),
        np.empty((3, 3)),
    )
    turn, a = np.empty(3), np.empty(3)
    s2_basis_into(g, B)
    _record(x, R_all[0], p_all[0], v_all[0])
    for k in range(n):
        dt = dts[k]
        for i in range(3):
            w_all[k, i] = gyro[k, i] - x[27 + i]
            turn[i] = -w_all[k, i] * dt
            a[i] = accel[k, i] - x[30 + i]
        exp_so3_into(turn, E)
        left_jacobian_into(turn, A)
        for i in range(3):
            V[i, 0] = (R[i, 2] * a[1] - R[i, 1] * a[2]) * dt
            V[i, 1] = (R[i, 0] * a[2] - R[i, 2] * a[0]) * dt
            V[i, 2] = (R[i, 1] * a[0] - R[i, 0] * a[1]) * dt
        for j in range(2):
            U[0, j] = (g[2] * B[1, j] - g[1] * B[2, j]) * dt
            U[1, j] = (g[0] * B[2, j] - g[2] * B[0, j]) * dt
            U[2, j] = (g[1] * B[0, j] - g[0] * B[1, j]) * dt
        _propagate_covariance(P, E, A, V, U, R, dt, noise)
        for i in range(3):
            a_all[k, i] = R[i, 0] * a[0] + R[i, 1] * a[1] + R[i, 2] * a[2] + g[i]
            x[i] += x[24 + i] * dt
        for i in range(3):
            x[24 + i] += a_all[k, i] * dt
            for j in range(3):  # R Exp(w dt), and E is Exp(-w dt)
                R_next[i, j] = R[i, 0] * E[j, 0] + R[i, 1] * E[j, 1] + R[i, 2] * E[j, 2]
        R[:, :] = R_next
        _record(x, R_all[k + 1], p_all[k + 1], v_all[k + 1])
    if n > 0:
        a_all[n], w_all[n] = a_all[n - 1], w_all[n - 1]
    else:
        a_all[0], w_all[0] = 0.0, 0.0
    _symmetrise(P)


@njit(**JIT)
def _error_blocks_into(origin, d, J_R, J_L, J_g):
    """The blocks of `error_jacobian` that differ from the identity."""
    B0, B, K, E, left = np.empty((3, 2)), np.empty((3, 2)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    minus, axis, g, M = np.empty(3), np.empty(3), np.empty(3), np.empty((3, 2))
    for i in range(3):
        minus[i] = -d[3 + i]
    left_jacobian_into(minus, J_R)
    for i in range(3):
        minus[i] = -d[6 + i]
    left_jacobian_into(minus, J_L)
    s2_basis_into(origin[33:36], B0)
    for i in range(3):
        axis[i] = B0[i, 0] * d[21] + B0[i, 1] * d[22]
    exp_so3_into(axis, E)
    left_jacobian_into(axis, left)
    square = 0.0
    for i in range(3):
        g[i] = E[i, 0] * origin[33] + E[i, 1] * origin[34] + E[i, 2] * origin[35]
        square += g[i] * g[i]
        for j in range(2):
            M[i, j] = left[i, 0] * B0[0, j] + left[i, 1] * B0[1, j] + left[i, 2] * B0[2, j]
    s2_basis_into(g, B)
    for i in range(3):
        for j in range(3):
            K[i, j] = ((square if i == j else 0.0) - g[i] * g[j]) / square  # -[g]x[g]x / |g|^2
    for r in range(2):
        for c in range(2):
            total = 0.0
            for i in range(3):
                for j in range(3):
                    total += B[i, r] * K[i, j] * M[j, c]
            J_g[r, c] = total


@njit(**JIT)
def _transform_block(P, J, start):
    """P <- D P D^T where D is the identity with `J` on its diagonal from `start` on."""
    n, size = J.shape[0], P.shape[0]
    row = np.empty(n)
    for c in range(size):
        for i in range(n):
            row[i] = 0.0
            for j in range(n):
                row[i] += J[i, j] * P[start + j, c]
        for i in range(n):
            P[start + i, c] = row[i]
    for r in range(size):
        for i in range(n):
            row[i] = 0.0
            for j in range(n):
                row[i] += J[i, j] * P[r, start + j]
        for i in range(n):
            P[r, start + i] = row[i]


@njit(**JIT)
def transport(origin, d, P):
    """P <- J P J^T with the Jacobian of `error_jacobian(origin, d)`, in place."""
    J_R, J_L, J_g = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 2))
    _error_blocks_into(origin, d, J_R, J_L, J_g)
    _transform_block(P, J_R, 3)
    _transform_block(P, J_L, 6)
    _transform_block(P, J_g, 21)


@njit(**JIT)
def update_step(x_prior, x, P_prior, HtH, Htz, variance, x_next, delta, P_next):
    """One Gauss-Newton step of the iterated update (section 8 of the spec); False where a matrix is not definite.

    Writes the moved state, the step `delta` (23,) and the covariance that belongs to `x_next`.
    """
    m = HtH.shape[0]
    d, moved, L = np.empty(23), np.empty(23), P_prior.copy()
    S, L_inverse = np.empty((23, 23)), np.empty((23, 23))
    J_R, J_L, J_g = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 2))
    boxminus_into(x, x_prior, d)
    _error_blocks_into(x_prior, d, J_R, J_L, J_g)
    _transform_block(L, J_R, 3)
    _transform_block(L, J_L, 6)
    _transform_block(L, J_g, 21)
    _symmetrise(L)
    moved[:] = d  # J_r(d) d = d for rotations
    moved[21] = J_g[0, 0] * d[21] + J_g[0, 1] * d[22]
    moved[22] = J_g[1, 0] * d[21] + J_g[1, 1] * d[22]
    if not spd_inverse_into(L, L_inverse):
        return False
    S[:, :] = L_inverse
    for i in range(m):
        for j in range(m):
            S[i, j] += HtH[i, j] / variance
    if not spd_inverse_into(S, P_next):
        return False
    pull = np.zeros(23)
    for i in range(23):
        for j in range(23):
            pull[i] -= L_inverse[i, j] * moved[j]
    for i in range(m):
        pull[i] += Htz[i] / variance
    for i in range(23):
        delta[i] = 0.0
        for j in range(23):
            delta[i] += P_next[i, j] * pull[j]
    boxplus_into(x, delta, x_next)
    transport(x, delta, P_next)
    _symmetrise(P_next)
    return True
