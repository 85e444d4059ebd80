#pragma once

namespace tercet {

/// The standard normal distribution's cumulative probability of x.
double NormalProbability(double x);

/// The x whose cumulative probability is p, to about 1e-16 relative (Wichura 1988, algorithm
/// AS 241, PPND16). −∞ at 0, ∞ at 1, NaN outside.
double NormalQuantile(double p);

}  // namespace tercet
