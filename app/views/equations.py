"""The equations of the views, in LaTeX."""

from __future__ import annotations

# Equations of several lines fit on a phone too.
EQ_FORWARD = r"""\begin{aligned} \hat h_k &= \mu^G + \sqrt{\alpha_k}\,(h_0 - \mu^G) + \sqrt{1-\alpha_k}\;\epsilon^G \\
    \epsilon^G &\sim \mathcal N(0, \Sigma_m) \end{aligned}"""

EQ_REVERSE = {
    "previous": r"h_{k-1} = g\big(h_k,\; f_{ST},\; f_D^k\big)\qquad k = K, \dots, 1",
    "x_start": r"""\begin{aligned} \hat h_0 &= g\big(h_k,\; f_{ST},\; f_D^k\big) \\
        h_{k-1} &= \mu^G + \sqrt{\alpha_{k-1}}\,(\hat h_0 - \mu^G) \\
        &\quad + \sqrt{1-\alpha_{k-1}}\;\hat\epsilon \end{aligned}""",
    "noise": r"\hat\epsilon = g\big(h_k,\; f_{ST},\; f_D^k\big)\qquad h_{k-1} \text{ from Eq. 1}",
}

EQ_MEAN = r"\text{prediction} = \tfrac1N \textstyle\sum_{n=1}^{N} h_0^{(n)}"

EQ_H_K = r"""\begin{aligned}
    (x_j, y_j) &\sim \textstyle\sum_i w_{ji}\, \mathcal N(m_{ji}, s_{ji}^2) \\
    (z_1, \dots, z_J) &\sim \mathcal N(\hat z, \Sigma_z)
    \end{aligned}"""

EQ_GMM = r"\phi_{GMM}(h) = \textstyle\sum_{m=1}^{M} \pi_m\, \mathcal N(h \mid \mu_m, \Sigma_m)"
