import Foundation
import Reporting

/// Speed-up as executed density falls, as an SVG; both axes logarithmic.
public enum BenchPlot {
  private static let colours = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2"]

  /// nil where no row can be drawn.
  public static func svg(_ report: BenchReport) -> String? {
    let rows = report.rows.filter { $0.executedDensity > 0 && $0.speedup > 0 && $0.name.hasPrefix("mass ") }
    guard let least = rows.map(\.executedDensity).min(), let top = rows.map(\.speedup).max(),
      let bottom = rows.map(\.speedup).min()
    else { return nil }
    let (left, right, upper, lower) = (70.0, 620.0, 50.0, 400.0)
    let decades = (
      x: max(1, -log2(least)), from: min(0, log2(bottom).rounded(.down)), to: max(1, log2(top).rounded(.up))
    )
    func x(_ density: Double) -> Double { left + (right - left) * -log2(density) / decades.x }
    func y(_ speedup: Double) -> Double {
      lower - (lower - upper) * (log2(speedup) - decades.from) / (decades.to - decades.from)
    }
    func number(_ value: Double) -> String { NumberFormat.fixed(value, digits: 1) }
    func text(_ x: Double, _ y: Double, _ anchor: String, _ text: String, _ colour: String = "#333") -> String {
      "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" fill=\"\(colour)\">\(escaped(text))</text>"
    }
    func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
      "<path d=\"M\(number(x1)) \(number(y1))L\(number(x2)) \(number(y2))\" stroke=\"#ddd\"/>"
    }
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"460\" font-family=\"sans-serif\" font-size=\"13\">",
      "<rect width=\"900\" height=\"460\" fill=\"white\"/>",
      text(left, 28, "start", "Speed-up over ONNX Runtime as executed density falls (\(report.machine))"),
      text((left + right) / 2, 445, "middle", "executed density"),
    ]
    for power in 0...Int(decades.x.rounded(.up)) where Double(power) <= decades.x + 1e-9 {
      let at = x(exp2(-Double(power)))
      parts += [line(at, upper, at, lower), text(at, lower + 20, "middle", power == 0 ? "1" : "1/\(1 << power)")]
    }
    for power in Int(decades.from)...Int(decades.to) {
      let at = y(exp2(Double(power)))
      parts += [line(left, at, right, at), text(left - 8, at + 4, "end", NumberFormat.factor(exp2(Double(power))))]
    }
    var series: [String: [BenchReport.Row]] = [:]
    for row in rows {
      let name =
        "\(row.compute.rawValue), \(NumberFormat.grouped(row.tokens)) tokens, \(row.threads) thr., \(row.peer.rawValue)"
      series[name, default: []].append(row)
    }
    for (index, (name, points)) in series.sorted(by: { $0.key < $1.key }).enumerated() {
      let colour = colours[index % colours.count]
      let sorted = points.sorted { $0.executedDensity > $1.executedDensity }
      let path = sorted.map { "\(number(x($0.executedDensity))),\(number(y($0.speedup)))" }
      parts.append(
        "<polyline points=\"\(path.joined(separator: " "))\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
      parts += sorted.map {
        "<circle cx=\"\(number(x($0.executedDensity)))\" cy=\"\(number(y($0.speedup)))\" r=\"3\" fill=\"\(colour)\"/>"
      }
      parts.append(text(right + 12, upper + 18 * Double(index), "start", name, colour))
    }
    return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
  }
}
