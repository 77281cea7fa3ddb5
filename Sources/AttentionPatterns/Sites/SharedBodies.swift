import ONNXGraph

/// Sites in the body of a function are one node in the file, however often it is called: they go together or stay.
public enum SharedBodies {
  /// Takes out treatments of sites whose body other calls need as it is, or otherwise.
  ///
  /// - Returns: site → the other one.
  public static func conflicts(_ sites: [Site], chosen: Set<String>) -> [String: String] {
    var groups: [String: [Site]] = [:]
    for site in sites where site.location.function != nil {
      groups["\(site.location) \(site.output)", default: []].append(site)
    }
    var conflicts: [String: String] = [:]
    for group in groups.values where group.count > 1 {
      guard let first = group.first else { continue }
      let odd = group.first { !chosen.contains($0.name) || !isSame($0, first) }
      guard let odd else { continue }
      for site in group where chosen.contains(site.name) {
        conflicts[site.name] = odd.name == site.name ? first.name : odd.name
      }
    }
    return conflicts
  }

  /// True where one node does for both.
  private static func isSame(_ a: Site, _ b: Site) -> Bool {
    guard let x = a.attention, let y = b.attention else { return false }
    return x.scale == y.scale && x.heads == y.heads && x.keyHeads == y.keyHeads && x.headSize == y.headSize
      && x.query == y.query && x.key == y.key && x.value == y.value && x.output == y.output && x.masks == y.masks
      && x.hasZeroEmptyRows == y.hasZeroEmptyRows && x.maskScale == y.maskScale
      && x.elementType == y.elementType
  }
}
