// A lineage graph as a picture, for notebooks: columns of boxes from left to right, drawn here so
// that no library is needed to look at it.
#include <algorithm>
#include <map>

#include "catalog/lineage_graph.h"

namespace tercet {
namespace {

constexpr int kRow = 54, kBox = 40, kGap = 90, kMargin = 12;
/// Of the monospaced font that the boxes are measured by, pixels.
constexpr int kLetter = 8, kPadding = 20;

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return escaped;
}

std::string_view ColourOf(const std::string& kind) {
  static const std::map<std::string, std::string_view> colours = {
      {"source", "#e8e8e8"},           {"run", "#e8e8e8"},   {"feature_group", "#d6e8fa"},
      {"feature_view", "#d9f2df"},     {"model", "#fbe3cf"}, {"training_dataset", "#fdf3c8"},
      {"release", "#f3d9ee"},          {"deployment", "#e0d9f7"}};
  const auto found = colours.find(kind);
  return found == colours.end() ? "#ffffff" : found->second;
}

size_t Letters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](char c) { return (c & 0xC0) != 0x80; }));
}

struct Box {
  int layer = 0;
  int x = 0, y = 0, width = 0;
};

/// A node's column is one right of the last that it is made of; where groups are made of
/// themselves, the nodes' number ends the search.
std::map<std::string, Box> Layered(const LineageGraph& graph) {
  std::map<std::string, Box> boxes;
  for (const LineageNode& node : graph.nodes) boxes[node.id];
  for (size_t round = 0; round < graph.nodes.size(); ++round) {
    bool changed = false;
    for (const LineageEdge& edge : graph.edges) {
      const int wanted = boxes[edge.from].layer + 1;
      if (edge.from == edge.to || boxes[edge.to].layer >= wanted ||
          wanted >= static_cast<int>(graph.nodes.size())) {
        continue;
      }
      boxes[edge.to].layer = wanted;
      changed = true;
    }
    if (!changed) break;
  }
  return boxes;
}

}  // namespace

std::string LineageGraph::ToSvg() const {
  std::map<std::string, Box> boxes = Layered(*this);
  std::map<int, int> rows, widths;  // by layer
  for (const LineageNode& node : nodes) {
    Box& box = boxes[node.id];
    box.y = kMargin + rows[box.layer]++ * kRow;
    box.width = kPadding + kLetter * static_cast<int>(std::max(Letters(node.ToText()),
                                                              Letters(node.kind)));
    widths[box.layer] = std::max(widths[box.layer], box.width);
  }
  std::map<int, int> lefts;
  int x = kMargin, height = 0;
  for (const auto& [layer, width] : widths) {
    lefts[layer] = x;
    x += width + kGap;
    height = std::max(height, rows[layer] * kRow);
  }
  const int width = std::max(x - kGap + kMargin, 2 * kMargin);
  height += 2 * kMargin;
  const auto number = [](int value) { return std::to_string(value); };
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width) +
                    "\" height=\"" + number(height) + "\" viewBox=\"0 0 " + number(width) + " " +
                    number(height) + "\" font-family=\"monospace\" font-size=\"12\">\n";
  for (const LineageEdge& edge : edges) {
    const Box& from = boxes[edge.from];
    const Box& to = boxes[edge.to];
    const int x1 = lefts[from.layer] + from.width, y1 = from.y + kBox / 2;
    const int x2 = lefts[to.layer], y2 = to.y + kBox / 2;
    svg += "<path d=\"M" + number(x1) + " " + number(y1) + " C" + number(x1 + kGap / 2) + " " +
           number(y1) + " " + number(x2 - kGap / 2) + " " + number(y2) + " " + number(x2) + " " +
           number(y2) + "\" fill=\"none\" stroke=\"#999\"><title>" + Escaped(edge.how) +
           "</title></path>\n";
  }
  for (const LineageNode& node : nodes) {
    const Box& box = boxes[node.id];
    const int left = lefts[box.layer];
    svg += "<g><title>" + Escaped(node.note) + "</title><rect x=\"" + number(left) + "\" y=\"" +
           number(box.y) + "\" width=\"" + number(box.width) + "\" height=\"" + number(kBox) +
           "\" rx=\"6\" fill=\"" + std::string(ColourOf(node.kind)) + "\" stroke=\"" +
           (node.id == start ? "#000\" stroke-width=\"2" : "#888") + "\"/><text x=\"" +
           number(left + kPadding / 2) + "\" y=\"" + number(box.y + 16) + "\" fill=\"#666\">" +
           Escaped(node.kind) + "</text><text x=\"" + number(left + kPadding / 2) + "\" y=\"" +
           number(box.y + 32) + "\">" + Escaped(node.ToText()) + "</text></g>\n";
  }
  return svg + "</svg>\n";
}

}  // namespace tercet
