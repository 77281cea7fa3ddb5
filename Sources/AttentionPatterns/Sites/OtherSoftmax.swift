import GraphRewriting
import ONNXGraph

/// A softmax that is no site, with how far it looks like attention.
public struct OtherSoftmax: Sendable {
  public var node: String
  public var output: String
  public var path: String
  /// Nodes that fitted the pattern, from the second product upstream.
  public var matched: [String]
  /// Where it stopped, as a clause.
  public var reason: String
}

extension SiteFinder {
  /// Softmaxes that belong to none of the sites.
  public func otherSoftmaxes(besides sites: [Site]) -> [OtherSoftmax] {
    let known = Set(sites.map { "\($0.path)\u{1}\($0.output)" })
    var result: [OtherSoftmax] = []
    for view in views {
      var matcher = view.matcher
      for node in view.graph.nodes where node.domain.isEmpty && node.opType == "Softmax" {
        guard let output = node.outputs.first, !known.contains("\(view.graph.path)\u{1}\(output)") else { continue }
        let (matched, reason) = attempt(output, view, &matcher)
        result.append(
          OtherSoftmax(node: node.label, output: output, path: view.graph.path, matched: matched, reason: reason))
      }
    }
    return result
  }

  /// The nodes that may stand between a softmax and the product with v.
  private static let reach = 8

  private func attempt(
    _ softmax: String, _ view: GraphView, _ matcher: inout Matcher
  ) -> (matched: [String], reason: String) {
    if view.index.isOutput(softmax), view.index.uses(of: softmax).isEmpty {
      return ([], "it is an output of the graph")
    }
    var best: (matched: [String], reason: String)?
    for product in products(after: softmax, view) {
      guard let output = product.outputs.first else { continue }
      if let match = matcher.match(DecomposedPattern.pattern, at: output) {
        let labels = match.used.map { "\($0.opType) \($0.label)" }
        return (labels, Self.why(match, view))
      }
      if let miss = matcher.nearMiss, miss.trail.count >= (best?.matched.count ?? 0) {
        best = (miss.trail.map { "\($0.opType) \($0.label)" }, miss.message)
      }
    }
    return best ?? ([], "no product with values follows it")
  }

  /// Why what has attention's form is none.
  private static func why(_ match: Match, _ view: GraphView) -> String {
    for (name, product) in [("q", "first"), ("k", "first"), ("v", "second")] {
      guard let value = match.values[name], view.isConstant(value), let node = match.nodes[product] else { continue }
      return "\(node.opType) \(node.label) is a product with weights, \(value)"
    }
    return "its axes are not those of attention"
  }

  private func products(after value: String, _ view: GraphView) -> [Node] {
    var waiting = [(value, 0)]
    var seen: Set<String> = [value]
    var found: [Node] = []
    while let (name, depth) = waiting.popLast(), found.count < Self.reach {
      for node in view.index.consumers(of: name) {
        if ["MatMul", "FusedMatMul", "Einsum", "Gemm"].contains(node.opType) {
          found.append(node)
        } else if depth < Self.reach {
          for output in node.outputs where !output.isEmpty && seen.insert(output).inserted {
            waiting.append((output, depth + 1))
          }
        }
      }
      if seen.count > 64 { break }
    }
    return found
  }
}
