import SparseAttention

extension Profile {
  /// What in the numbers does not go together, and where; nil where all does.
  var contradiction: String? { dialContradiction ?? siteContradiction }

  private var dialContradiction: String? {
    guard !qualities.isEmpty else { return "its list of qualities is empty" }
    for (position, quality) in qualities.enumerated() {
      let place = "quality \(position)"
      guard quality.point == position else {
        return "\(place) is of point \(quality.point), where point \(position) is due"
      }
      guard (0...1).contains(quality.executedDensity) else {
        return "\(place): executed_density is \(quality.executedDensity), and a share is from 0 to 1"
      }
    }
    return nil
  }

  private var siteContradiction: String? {
    var names: Set<String> = []
    for site in sites {
      let place = "site \(site.name)"
      guard names.insert(site.name).inserted else { return "\(place) stands there twice" }
      guard site.points.count == qualities.count else {
        return "\(place) has \(site.points.count) operating point\(site.points.count == 1 ? "" : "s") and there "
          + (qualities.count == 1 ? "is 1 quality" : "are \(qualities.count) qualities")
      }
      for (point, runs) in site.points.enumerated() {
        var head = 0
        for run in runs {
          if let problem = run.policy.contradiction { return "\(place), point \(point), head \(head): \(problem)" }
          // Counts are checked where the policies are made.
          head = head &+ run.heads
        }
      }
    }
    return nil
  }
}

extension PolicyRecord {
  /// A number outside of its range, or none where one is due.
  fileprivate var contradiction: String? {
    if mode == "exact" { return nil }
    guard mode == "sparse" else { return "mode is \(mode), not exact or sparse" }
    guard let contextKeep, let route, let select, let floor else {
      let given: [(String, Bool)] = [
        ("context_keep", contextKeep != nil), ("route", route != nil), ("select", select != nil),
        ("floor", floor != nil),
      ]
      return "\(given.first { !$0.1 }?.0 ?? "a value") is missing"
    }
    let numbers: [(name: String, value: Float, isShare: Bool)] = [
      ("context_keep", contextKeep, true), ("floor", floor, true),
      ("route's \(route.by)", route.value, route.by == "share"),
      ("select's \(select.by)", select.value, select.by != "threshold"),
    ]
    for number in numbers {
      if number.isShare, !(0...1).contains(number.value) {
        return "\(number.name) is \(number.value), and a share is from 0 to 1"
      }
      if number.value < 0 { return "\(number.name) is \(number.value), and no threshold is negative" }
    }
    return nil
  }
}
