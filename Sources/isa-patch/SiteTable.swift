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
    if verbose { text += report.sites.map(tree).joined() + others(report) }
    return text
  }

  /// A site's nodes from the second product upstream; where it stays for one of them, as far as that one.
  private static func tree(_ site: SiteReport) -> String {
    var nodes = site.matched
    if let stop = site.stoppedAt, let end = nodes.firstIndex(of: stop) { nodes = Array(nodes[...end]) }
    let fate = site.reason.map { "kept. \($0)" } ?? (site.replaced ? "replaced" : "can be replaced")
    return tree("\(site.path)\(site.name): \(fate)", nodes, end: site.stoppedAt == nil ? nil : "here it stopped")
      + "  pattern \(site.pattern); mask \(site.mask)\n"
  }

  /// What is no site: the nodes that look like attention, and where the likeness ends.
  private static func others(_ report: InspectReport) -> String {
    report.otherSoftmaxes.map { softmax in
      tree("\(softmax.path)\(softmax.node): no site", softmax.matched, end: softmax.reason)
    }.joined()
  }

  private static func tree(_ title: String, _ nodes: [String], end: String?) -> String {
    "\n\(title)\n"
      + (nodes + (end.map { [$0] } ?? [])).enumerated().map { depth, node in
        String(repeating: "  ", count: depth + 1) + "└ \(node)\n"
      }.joined()
  }

  /// The adapter, and each reason once with its hint.
  static func notes(_ report: InspectReport) -> [String] {
    // What is wrong with later nodes may follow from the first.
    var lines = Array(report.warnings.prefix(1))
    if let adapter = report.adapter {
      lines.append("Adapter: \(adapter)" + (report.adapterReason.map { ", by \($0)." } ?? "."))
    }
    lines += grids(report)
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

  /// Each grid once.
  private static func grids(_ report: InspectReport) -> [String] {
    var lines: [String] = []
    for segment in report.sites.filter({ $0.replaced || $0.replaceable }).flatMap(\.segments) {
      guard let grid = segment.grid, let tile = segment.tile, let block = segment.block else { continue }
      let line = GridText.line(
        grid: grid.map(\.description), tile: tile, block: block, filled: segment.fill?.filled,
        inTiles: segment.fill?.inTiles, usual: segment.usual)
      if !lines.contains(line) { lines.append(line) }
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
