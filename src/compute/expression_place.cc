#include <array>
#include <cmath>
#include <numbers>

#include <GeographicLib/Geodesic.hpp>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// Distances between places on the Earth, in metres, from latitudes and longitudes in degrees.
namespace tercet::expr {
namespace {

/// Latitude, longitude, latitude, longitude.
Result<std::array<Value, 4>> AsPlaces(Binder& binder, std::span<Value> arguments) {
  std::array<Value, 4> degrees;
  for (size_t k = 0; k < 4; ++k) {
    ARROW_ASSIGN_OR_RAISE(degrees[k], binder.AsDouble(arguments[k]));
  }
  return degrees;
}

/// F(latitude, longitude, latitude, longitude); null where one of them is.
template <auto F>
Result<Value> BindDistance(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const auto degrees, AsPlaces(binder, arguments));
  const Kernel kernel = [](const Instruction& instruction, Run& run) {
    const double* in[4];
    for (int k = 0; k < 4; ++k) in[k] = In<double>(instruction, run, k);
    double* out = Out<double>(instruction, run);
    AndValidity(instruction, run, 4);
    for (int64_t i = 0; i < run.rows; ++i) out[i] = F(in[0][i], in[1][i], in[2][i], in[3][i]);
  };
  return binder.Emit(kernel, kDoubleType, {degrees[0], degrees[1], degrees[2], degrees[3]});
}

/// Metres: the mean radius of the Earth's ellipsoid, R1 (H. Moritz, Geodetic Reference System
/// 1980, Journal of Geodesy 74, 2000).
constexpr double kEarthRadius = 6'371'008.8;

double Radians(double degrees) { return degrees * (std::numbers::pi / 180); }

/// sin² of half the angle between two degrees.
double HalfAngle(double a, double b) {
  const double sine = std::sin(Radians(b - a) / 2);
  return sine * sine;
}

/// Along the great circle of a sphere (R. W. Sinnott, Virtues of the Haversine, Sky and Telescope
/// 68, 1984).
double Haversine(double latitude_1, double longitude_1, double latitude_2, double longitude_2) {
  const double cosines = std::cos(Radians(latitude_1)) * std::cos(Radians(latitude_2));
  const double square =
      HalfAngle(latitude_1, latitude_2) + cosines * HalfAngle(longitude_1, longitude_2);
  // Rounding may lead beyond one for antipodes; NaN stays.
  return 2 * kEarthRadius * std::asin(std::sqrt(square > 1 ? 1 : square));
}

/// Along the geodesic of the WGS84 ellipsoid (C. F. F. Karney, Algorithms for geodesics, Journal of
/// Geodesy 87, 2013), to 15 nanometres. NaN for a latitude beyond a pole.
double Geodesic(double latitude_1, double longitude_1, double latitude_2, double longitude_2) {
  double metres;
  GeographicLib::Geodesic::WGS84().Inverse(latitude_1, longitude_1, latitude_2, longitude_2,
                                           metres);
  return metres;
}

constexpr Function kFunctions[] = {
    {"haversine", 4, 4, BindDistance<Haversine>},
    {"geodesic_distance", 4, 4, BindDistance<Geodesic>},
};

}  // namespace

std::span<const Function> PlaceFunctions() { return kFunctions; }

}  // namespace tercet::expr
