import ISAPatch
import Reporting

/// The sites of a model as a table.
enum SiteTable {
  static func text(_ report: InspectReport, verbose: Bool) -> String {
    guard !report.sites.isEmpty else {
      return "\(report.model) holds no softmax attention.\n" + (verbose ? others(report) : "")
    }
    let patched = report.sites.contains { $0.policies != nil }
    var table = TextTable([
      .text("site"), .text("kind"), .number("heads"), .number("size"), .text("queries × keys"), .text("segments"),
      .text(patched ? "policy" : "what happens", leastWidth: 12),
    ])
    for site in report.sites {
      let lengths = "\(site.queryLength?.description ?? "?") × \(site.keyLength?.description ?? "?")"
      table.add([
        .init(site.name), .init([site.kind, site.axis].compactMap { $0 }.joined(separator: " ")),
        .init(heads(site)), .init(site.headSize.map { "\($0)" } ?? "?"), .init(lengths), .init(segments(site)),
        .init(fate(site, patched: patched)),
      ])
    }
    var text = table.rendered(for: Terminal.of(1))
    if verbose {
      for site in report.sites {
        text += "\n\(site.name): \(site.pattern); mask \(site.mask); nodes \(site.nodes.joined(separator: ", "))\n"
      }
      text += others(report)
    }
    return text
  }

  /// What is no site, as a tree: the nodes that look like attention, and where the likeness ends.
  private static func others(_ report: InspectReport) -> String {
    var text = ""
    for softmax in report.otherSoftmaxes {
      text += "\n\(softmax.path)\(softmax.node): no site\n"
      for (depth, node) in softmax.matched.enumerated() {
        text += String(repeating: "  ", count: depth + 1) + "└ \(node)\n"
      }
      text += String(repeating: "  ", count: softmax.matched.count + 1) + "└ \(softmax.reason)\n"
    }
    return text
  }

  /// The adapter, and each reason once with its hint.
  static func notes(_ report: InspectReport) -> [String] {
    var lines: [String] = []
    if let adapter = report.adapter {
      lines.append("Adapter: \(adapter)" + (report.adapterReason.map { ", by \($0)." } ?? "."))
    }
    var seen: Set<String> = []
    for site in report.sites {
      if let hint = site.hint, let reason = site.reason, seen.insert(reason).inserted {
        lines.append("\(reason) \(hint)")
      }
    }
    if report.sites.contains(where: { $0.segments.isEmpty && $0.kind != "cross" }), report.replaced > 0 {
      lines.append(
        "Sites without segments attend as one target segment; give --segments or --adapter if the source video is part of "
          + "the sequence.")
    }
    return lines
  }

  private static func heads(_ site: SiteReport) -> String {
    guard let heads = site.heads else { return "?" }
    if let pairs = site.kvHeads, pairs != heads { return "\(heads)/\(pairs)" }
    return "\(heads)"
  }

  private static func segments(_ site: SiteReport) -> String {
    site.segments.isEmpty
      ? "–"
      : site.segments.map { segment in
        let grid = segment.grid.map { ":" + $0.map(\.description).joined(separator: "x") } ?? ""
        return segment.kind + (grid.isEmpty ? " \(segment.length)" : grid)
      }.joined(separator: ", ")
  }

  private static func fate(_ site: SiteReport, patched: Bool) -> String {
    if let policies = site.policies {
      let modes = Set(policies.points.first?.map(\.policy.mode) ?? [])
      let points = policies.points.count
      return (modes == ["exact"] ? "exact" : "sparse") + (points > 1 ? ", \(points) points" : "")
    }
    if site.replaced { return "replaced" }
    return site.reason.map { "kept: \($0)" } ?? (site.replaceable ? "can be replaced" : "kept")
  }
}
